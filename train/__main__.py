"""`python -m train prepare | cut | fit | evaluate`: train and measure the network on a workstation."""

import shlex
import sys
from importlib import import_module
from types import ModuleType

from train.command_line import HelpFormatter, Parser, run_command

# command -> its module and its line in --help
COMMANDS = {
    "prepare": ("train.data.prepare", "check photographs and write the folder that cut reads"),
    "people": ("train.synthetic.people.make", "make pictures of people who sign, a further input of prepare"),
    "cut": (
        "train.crops.crop",
        "cut crops from the photographs and store what the landmark network computes",
    ),
    "fit": ("train.fit.fit", "train the network on the crops"),
    "evaluate": ("train.evaluate.evaluate", "measure a checkpoint or a package, per letter and per source"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = Parser(prog="python -m train", description="Train and measure the network on a workstation.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=HelpFormatter
        )
        if argv[:1] == [name]:  # importing the other modules would cost seconds
            _import_command(name).add_arguments(command)
    args = parser.parse_args(argv)
    args.command_line = shlex.join(["python", "-m", "train", *argv])
    module = _import_command(args.command)
    return run_command(
        f"train {args.command}", lambda: int(module.main(args)), "everything written before is complete"
    )


def _import_command(name: str) -> ModuleType:
    return import_module(COMMANDS[name][0])


if __name__ == "__main__":
    sys.exit(main())
