"""`python -m export`: a checkpoint of fit -> a deployment package, verified before it appears."""

import argparse
import shlex
import sys
from pathlib import Path

from edge.errors import AslEdgeError
from edge.models import VARIANTS
from edge.package import Package
from train.command_line import Parser, names, print_any_name

FOLDS_HELP = "packages of the folds, each of a checkpoint that left a source out: for the model card"


def main(argv: list[str] | None = None) -> int:
    """The project's own errors are one line and exit code 2."""
    print_any_name()
    given = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(given)
    from export.package import prepare_model_for_deployment  # torch takes seconds to import, --help none

    try:
        package = prepare_model_for_deployment(
            checkpoint=args.checkpoint,
            output=args.output,
            data=args.data,
            variants=args.variants,
            sources=args.sources,
            accept_drop=args.accept_drop,
            leave_one_out=args.leave_one_out,
            quick=args.quick,
            command=shlex.join(["python", "-m", "export", *given]),
        )
    except AslEdgeError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"export: interrupted; {args.output} is as it was", file=sys.stderr)
        return 130
    _print_table(package)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m export", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="model.pt or last.pt of a run of fit")
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add("--output", type=Path, default=Path("deployment_package"), help="replaced as a whole, at the end")
    add("--variants", type=names, default=",".join(VARIANTS), metavar="A,B", help="to package")
    add("--sources", type=names, metavar="A,B", help="to measure on; otherwise those that training left out")
    add("--accept-drop", action="store_true", help="package an int8 model that reads worse than float32")
    add("--quick", action="store_true", help="quantise in the usual way, try no others: for the folds")
    add("--leave-one-out", type=Path, nargs="+", default=[], metavar="PACKAGE", help=FOLDS_HELP)
    return parser


def _print_table(package: Package) -> None:
    metadata = package.metadata
    for part in metadata["accuracy"]:
        print(f"{part['signers']}: {part['pictures']:,} pictures of {', '.join(part['sources'])}")
        for variant, figures in part["variants"].items():
            size_mb, ms = metadata["measured_bytes"][variant] / 1e6, metadata["latency_ms"]["median"][variant]
            right, changed = figures["accuracy"] or 0, figures["answers_changed"]
            print(f"  {variant:8} {right:7.1%} right, {changed:.1%} changed, {size_mb:.1f} MB, {ms} ms")
    print(f"wrote {package.folder}: {', '.join(package.files)}")


if __name__ == "__main__":
    sys.exit(main())
