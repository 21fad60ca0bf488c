"""`python -m export`: export a checkpoint of fit as a deployment package and verify it."""

import argparse
import shlex
import sys
from pathlib import Path

from edge.models import VARIANTS
from edge.package import Package
from edge.printable import print_line
from train.command_line import HelpFormatter, Parser, parse_names, run_command


def main(argv: list[str] | None = None) -> int:
    """Export as the flags say and return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    args = _build_parser().parse_args(argv)
    args.command_line = shlex.join(["python", "-m", "export", *argv])
    return run_command("export", lambda: _export(args), f"{args.output} is unchanged")


def _export(args: argparse.Namespace) -> int:
    from export.package import prepare_model_for_deployment  # imports torch, which --help does not need

    package = prepare_model_for_deployment(
        checkpoint=args.checkpoint,
        output=args.output,
        data=args.data,
        variants=args.variants,
        sources=args.sources,
        most=args.most,
        origins=args.origins,
        accept_drop=args.accept_drop,
        leave_one_out=args.leave_one_out,
        quick=args.quick,
        sign=args.sign,
        command=args.command_line,
    )
    _print_table(package)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    description = "Export a checkpoint of fit as a deployment package, and verify it."
    parser = Parser(prog="python -m export", description=description, formatter_class=HelpFormatter)
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        required=True,
        help="model.pt or last.pt of a run of fit, or the state_dict of a ResNet-18 with 26 outputs",
    )
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add(
        "--output",
        type=Path,
        default=Path("deployment_package"),
        help="folder of the package; it is replaced as a whole, after every check has passed",
    )
    add("--variants", type=parse_names, default=",".join(VARIANTS), metavar="A,B", help="variants to package")
    add(
        "--sources",
        type=parse_names,
        metavar="A,B",
        help="sources to measure accuracy on; by default those that training did not see",
    )
    add(
        "--most",
        type=int,
        metavar="N",
        help="measure on at most N pictures, evenly from each letter of each source; by default all",
    )
    add(
        "--origins",
        type=Path,
        metavar="CSV",
        help="table of the sources for the model card: source, origin, licence, in_the_name_of",
    )
    add(
        "--accept-drop",
        action="store_true",
        help="package a quantised variant even if it is less accurate than float32",
    )
    add("--quick", action="store_true", help="quantise with the default recipe only, without a search")
    add("--sign", type=Path, metavar="KEY", help="SSH key to sign the package with, for boards that want it")
    add(
        "--leave-one-out",
        type=Path,
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="packages of checkpoints that each left sources out; their accuracy goes into the model card",
    )
    return parser


def _print_table(package: Package) -> None:
    metadata = package.metadata
    for section in metadata["accuracy"]:
        print_line(
            f"{section['signers']}: {section['pictures']:,} pictures of {', '.join(section['sources'])}"
        )
        for variant, metrics in section["variants"].items():
            size_mb, ms = metadata["measured_bytes"][variant] / 1e6, metadata["latency_ms"]["median"][variant]
            right, changed = metrics["accuracy"] or 0, metrics["answers_changed"]
            print_line(f"  {variant:8} {right:7.1%} right, {changed:.1%} changed, {size_mb:.1f} MB, {ms} ms")
    print_line(f"wrote {package.folder}: {', '.join(package.files)}")


if __name__ == "__main__":
    sys.exit(main())
