"""`python -m export.upgrade DIR`: bring a package to schema version 2, without a change of its networks.

Adds golden pictures that its networks read, and lists every file with its sum. A signature is no longer valid
after that; --sign makes a new one.
"""

import shutil
import sys
from pathlib import Path

from edge.engines.torchscript import CAN_DO
from edge.errors import DataError
from edge.package import METADATA_NAME, SCHEMA_VERSION, open_package
from export.golden_pictures import file_names, write_golden_pictures
from export.metadata import describe_files, write_metadata
from export.model_card import NAME as CARD_NAME
from export.replace import replaced_package
from export.sign import sign_package
from export.verify import check_golden_outputs, open_variant
from train.command_line import HelpFormatter, Parser, run_command


def main(argv: list[str] | None = None) -> int:
    """Upgrade the package that the flags name and return the exit code."""
    parser = Parser(
        prog="python -m export.upgrade", description=__doc__.split("\n\n")[1], formatter_class=HelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="deployment package; replaced as a whole")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign the package with this SSH key")
    args = parser.parse_args(argv)
    return run_command("upgrade", lambda: _upgrade(args.folder, args.sign), f"{args.folder} is unchanged")


def _upgrade(folder: Path, key: Path | None) -> int:
    package = open_package(folder)
    if "dynamic" in package.files:
        print(f"upgrade: {CAN_DO}", file=sys.stderr)
    engines = {variant: open_variant(package, variant) for variant in package.files}
    kept = [path.name for path in package.files.values()]
    with replaced_package(folder) as partial:
        if (folder / CARD_NAME).is_file():
            kept.append(CARD_NAME)
        for name in kept:
            shutil.copy2(folder / name, partial / name)
        pictures = write_golden_pictures(partial, engines, package.spec)
        if not pictures:
            raise DataError(f"the networks of {folder} read too few drawn hands to choose golden pictures of")
        metadata = package.metadata | {
            "schema_version": SCHEMA_VERSION,
            "files": {
                variant: {key: value for key, value in entry.items() if key not in ("bytes", "sha256")}
                for variant, entry in package.metadata["files"].items()
            },
            "golden_pictures": pictures,
            "contents": describe_files(partial, [*kept, *file_names(pictures)]),
        }
        write_metadata(partial, metadata)
        check_golden_outputs(open_package(partial))
        if key is not None:
            sign_package(partial, key)
    size_kb = sum((folder / name).stat().st_size for name in file_names(pictures)) / 1000
    print(
        f"{folder / METADATA_NAME} has schema version {SCHEMA_VERSION}, with {len(pictures)} golden pictures "
        f"of {size_kb:.0f} kB in all"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
