"""`python -m edge` is `asl-edge`."""

from typing import NoReturn

from edge.system.interrupts import end_at_ctrl_c


def program() -> NoReturn:
    """Run the command line. Until it has started, Ctrl-C ends it at once."""
    end_at_ctrl_c()
    from edge.commands import cli

    cli.program()


if __name__ == "__main__":
    program()
