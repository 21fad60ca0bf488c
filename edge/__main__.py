"""`python -m edge` is `asl-edge`."""

from edge.cli import program

program()
