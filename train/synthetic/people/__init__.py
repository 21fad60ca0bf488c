"""People that are made: whole bodies that sign a letter before a camera, every landmark known."""

SOURCE = "made"  # of these pictures, in a manifest
