"""`python -m edge` is `asl-edge`."""

import sys

from edge.cli import main

sys.exit(main())
