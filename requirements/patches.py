"""Report pins that are older than their newest patch: `make outdated`.

A patch changes the last of three or more numbers of a version: 2.13.0 -> 2.13.1. Ends with exit code 1 if a
pin is older. To change one, compile its file anew: uv pip compile ... --upgrade-package 'NAME<2.14', with the
flags of `make requirements`, which keeps every pin that fits.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# a line of a pinned file: name, version, and the rest with its marker
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)([^\\\n]*)", re.MULTILINE)
# Versions that are not chosen by number: requirements/*.in say why.
HELD = {"mediapipe.txt": "MediaPipe 0.10.21 wants old versions of all it needs"}
OLDEST_PYTHON = {"nano.txt": "3.11", "peers.txt": "3.11"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uv", default="uv", help="the program uv")
    arguments = parser.parse_args()
    older = 0
    for path in sorted(HERE.glob("*.txt")):
        if path.name in HELD:
            print(f"{path.name:<14} not looked at: {HELD[path.name]}")
            continue
        pins = PIN.findall(path.read_text())
        newest = find_newest(arguments.uv, pins, OLDEST_PYTHON.get(path.name, "3.10"))
        found = [
            f"{name} {version} -> {newest[name, marker]}"
            for name, version, marker in pins
            if newest.get((name, marker), version) != version
        ]
        older += len(found)
        print(f"{path.name:<14} {len(pins)} pins, {', '.join(found) or 'each the newest patch'}")
    return 1 if older else 0


def release(version: str) -> str:
    """Return what a patch keeps: 2.13.0 -> 2.13; a version of two numbers or a date is kept whole."""
    numbers = version.split(".")
    return ".".join(numbers[:-1]) if len(numbers) > 2 else version


def find_newest(uv: str, pins: list[tuple[str, str, str]], python: str) -> dict[tuple[str, str], str]:
    """Return the newest patch of each pin, by name and marker. uv asks the index that it is set up for."""
    asked = "".join(f"{name}=={pattern(version)}{marker}\n" for name, version, marker in pins)
    command = [uv, "pip", "compile", "-q", "--no-deps", "--universal", "--no-header"]
    command += ["--python-version", python, "-"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the index of packages did not answer: {done.stderr.strip()}")
    return {(name, marker): version for name, version, marker in PIN.findall(done.stdout)}


def pattern(version: str) -> str:
    """Return 2.13.* for 2.13.0."""
    kept = release(version)
    return version if kept == version else f"{kept}.*"


if __name__ == "__main__":
    sys.exit(main())
