"""One file a command of `asl-edge`."""
