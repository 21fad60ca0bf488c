"""Import this first: it finds tests/support, and keeps tests/edge from hiding the package edge."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS.parent), str(TESTS)]
