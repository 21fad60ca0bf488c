"""Pack Debian's Python as a Python separate from the system's, which JetPack 5 and the original Nano need.

For those boards `make wheelhouse` fetches python-build-standalone, whose archive has the same two folders.
"""

import hashlib
import tarfile
from pathlib import Path

VERSION = "3.11"
PLACE = f"/opt/asl-edge/python-{VERSION}"
# any non-empty value makes the role use the archive in the wheelhouse; only `make wheelhouse` reads the URL
VARIABLES = {"asl_edge_own_python_url": "taken from the wheelhouse"}


def put_into(wheels: Path, root: Path) -> None:
    """Pack the Python of a Debian root as own-python.tar.gz and add its checksum to wheels.sha256."""
    archive = wheels / "own-python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for source, target in ((f"bin/python{VERSION}", "bin/python3"), (f"lib/python{VERSION}",) * 2):
            tar.add(root / "usr" / source, f"python/{target}")
    checksums = wheels / "wheels.sha256"
    lines = [line for line in checksums.read_text().splitlines() if not line.endswith(archive.name)]
    lines.append(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}")
    checksums.write_text("\n".join(lines) + "\n")
