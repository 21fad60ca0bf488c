"""A Python beside the system's, as JetPack 5 and the original Nano need one: here Debian's, in an archive.

What `make wheelhouse` fetches for those boards is python-build-standalone's, which has the same two folders.
"""

import hashlib
import tarfile
from pathlib import Path

VERSION = "3.11"
PLACE = f"/opt/asl-edge/python-{VERSION}"
# what is not empty makes the role take the archive from the wheelhouse; `make wheelhouse` alone fetches it
VARIABLES = {"asl_edge_own_python_url": "taken from the wheelhouse"}


def put_into(wheels: Path, root: Path) -> None:
    """The Python of a Debian root as own-python.tar.gz, and its sum into wheels.sha256."""
    archive = wheels / "own-python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for there, here in ((f"bin/python{VERSION}", "bin/python3"), (f"lib/python{VERSION}",) * 2):
            tar.add(root / "usr" / there, f"python/{here}")
    sums = wheels / "wheels.sha256"
    kept = [line for line in sums.read_text().splitlines() if not line.endswith(archive.name)]
    kept.append(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}")
    sums.write_text("\n".join(kept) + "\n")
