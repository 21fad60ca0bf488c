"""List what a device installs as CycloneDX files: `make sbom`, at each release.

A file for each set of pins that a wheelhouse is made of: name, version, and the sha256 of each wheel that may
be installed. They are published with the wheels of a release.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PINS = ("device", "extras", "nano")


def main(target: Path) -> int:
    """Write target/NAME.cdx.json for each of PINS."""
    target.mkdir(parents=True, exist_ok=True)
    for name in PINS:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "cyclonedx_py",
            "requirements",
            str(HERE / f"{name}.txt"),
        ]
        command += ["--pyproject", str(HERE.parent / "pyproject.toml"), "--mc-type", "application"]
        command += [
            "--output-format",
            "JSON",
            "--output-reproducible",
            "-o",
            str(target / f"{name}.cdx.json"),
        ]
        if code := subprocess.run(command, check=False).returncode:
            return code
        print(f"wrote {target / name}.cdx.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
