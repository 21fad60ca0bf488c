"""`python -m train prepare | cut | fit | evaluate`: the workstation's side."""

import argparse
import sys
from importlib import import_module
from types import ModuleType

from edge.errors import AslEdgeError
from train.command_line import Parser, print_any_name

# command -> its module, and what --help says of it
STAGES = {
    "prepare": ("train.data.prepare", "check photographs and write what cut reads"),
    "cut": ("train.crops.crop", "cut the photographs many times and let the teacher look at each"),
    "fit": ("train.fit.fit", "train the network"),
    "evaluate": (
        "train.evaluate.evaluate",
        "accuracy of a checkpoint or a package, per letter and per source",
    ),
}


def main() -> int:
    """Run one of the four; the project's own errors are one line and exit code 2."""
    print_any_name()
    parser = Parser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, (_, text) in STAGES.items():
        command = commands.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        if name == chosen:  # the others need not be imported
            _stage(name).add_arguments(command)
    args = parser.parse_args()
    try:
        return int(_stage(args.command).main(args))
    except AslEdgeError as error:
        print(f"train {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"train {args.command}: interrupted; what was written before is whole", file=sys.stderr)
        return 130


def _stage(name: str) -> ModuleType:
    """The module behind a command, imported only when it is wanted: fit alone needs torch's loader."""
    return import_module(STAGES[name][0])


if __name__ == "__main__":
    sys.exit(main())
