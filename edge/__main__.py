"""`python -m edge` is `asl-edge`."""

from edge.commands.cli import program

program()
