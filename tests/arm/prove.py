"""Compare tests and outputs on emulated 64-bit ARM with those of this machine: `make test-arm`.

prove.py ROOT_FOLDER [--photographs N]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(TOP)]

from support.golden_logits import find_differences, is_hand  # noqa: E402
from support.golden_logits import main as write_logits  # noqa: E402
from support.golden_package import build  # noqa: E402  the checkout is put on the path above

from edge.models import DEFAULT_MODEL  # noqa: E402
from edge.records import LETTERS  # noqa: E402
from train.data.inputs import list_inputs  # noqa: E402

PROCESSORS = {
    "cortex-a72": "Pi 4; no dot product, as the Nano's A57",
    "cortex-a76": "Pi 5; with dot product, as the Orin's A78",
}
MOST_CHANGED = 0.002  # of photographs
PHOTOGRAPHS = (
    Path(os.environ.get("ASL_EDGE_DATA", TOP.parent / "shared" / "data")) / "asl-frames/manifest.csv"
)


def main() -> int:
    """Return 0 if every test passed and every letter is the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photographs", type=int, default=200)
    args = parser.parse_args()
    began, folder = time.monotonic(), args.folder
    made = folder / "made"
    if not made.is_dir():
        shutil.rmtree(folder / "build", ignore_errors=True)
        shutil.copytree(build(folder / "build"), made)
    write_logits(made, made / "golden_logits.json")
    listed = photographs(folder / "photographs.json", args.photographs)
    here = json.loads(run_outputs([sys.executable], folder / "x86.json", made, listed).read_text())
    with ThreadPoolExecutor() as pool:  # both processors at once, the tests before the photographs
        tests = list(pool.map(lambda name: tested(folder, name, made), PROCESSORS))
        runs = pool.map(
            lambda name: run_outputs(emulated(folder, name), folder / f"{name}.json", made, listed),
            PROCESSORS,
        )
        there = {name: json.loads(file.read_text()) for name, file in zip(PROCESSORS, runs, strict=True)}
    failed = [name for name, code in zip(PROCESSORS, tests, strict=True) if code]
    lines, alike = parity(here, there)
    print("\n".join(lines))
    print(f"tests/export/test_golden_logits.py: {'FAILED on ' + ', '.join(failed) if failed else 'passed'}")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes; emulated, so times say nothing about a board")
    return 0 if alike and not failed else 1


def photographs(listed: Path, wanted: int) -> Path | None:
    """List photographs with their hands' boxes, evenly from all sources; None if there are none."""
    if not PHOTOGRAPHS.is_file() or not wanted:
        print(f"no photographs at {PHOTOGRAPHS.parent}: only the golden inputs are compared")
        return None
    items, _ = list_inputs([str(PHOTOGRAPHS)])
    found = [
        {"file": str(item.path.resolve()), "box": item.box_xyxy.tolist()}
        for item in items
        if item.letter in LETTERS and item.box_xyxy is not None
    ]
    listed.write_text(json.dumps(found[:: max(1, len(found) // wanted)][:wanted]))
    return listed


def emulated(folder: Path, processor: str) -> list[str]:
    """Return the command that starts Python on the emulated processor.

    Each processor has a root of its own, because onnxruntime reads /proc/cpuinfo there.
    """
    root = folder / f"root-{processor}"
    (root / "proc").mkdir(parents=True, exist_ok=True)
    for name in ("bin", "etc", "lib", "sbin", "usr"):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(folder.resolve() / "root" / name)
    shutil.copy(HERE / f"cpuinfo.{processor}", root / "proc" / "cpuinfo")
    environment = ["-E", f"PYTHONPATH={folder / 'site'}", "-E", "PYTHONDONTWRITEBYTECODE=1"]
    python = str(root / "usr/bin/python3.11")
    return ["qemu-aarch64-static", "-cpu", processor, "-L", str(root), *environment, python, "-s"]


def run_outputs(python: list[str], output: Path, made: Path, listed: Path | None) -> Path:
    """Run answer.py with this Python, native or emulated."""
    more = ["--photographs", str(listed)] if listed else []
    command = [*python, str(HERE / "answer.py"), str(output), str(DEFAULT_MODEL), str(made), *more]
    subprocess.run(command, check=True)
    return output


def tested(folder: Path, processor: str, made: Path) -> int:
    """Return pytest's exit code on the emulated processor; TorchScript is tested on x86 only."""
    command = [*emulated(folder, processor), "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider"]
    command += [str(HERE.parent / "export/test_golden_logits.py")]
    return subprocess.run(
        command, env={**os.environ, "ASL_EDGE_GOLDEN": str(made)}, cwd=TOP, check=False
    ).returncode


def parity(here: dict[str, Any], there: dict[str, dict[str, Any]]) -> tuple[list[str], bool]:
    """Return the table, and whether every letter is the same (for photographs nearly every)."""
    lines = [
        f"{'against x86':<14}{'outputs':<26}{'inputs':>7}{'largest difference':>20}{'letters differ':>16}"
    ]
    alike = bool(there)
    for processor, outputs in there.items():
        for what, wanted in here.items():
            got = outputs[what]
            if what == "photographs":
                differ = sum(a != b for a, b in zip(got, wanted, strict=True))
                share = f"{differ / len(wanted):.1%}"
                lines.append(f"{processor:<14}{what:<26}{len(wanted):>7}{'':>20}{differ:>8} {share:>6}")
                alike &= differ <= MOST_CHANGED * len(wanted)
                continue
            hands = list(filter(is_hand, wanted))
            wrong = find_differences(got, wanted, what.split()[-1])
            differ = sum(np.argmax(got[name]) != np.argmax(wanted[name]) for name in hands)
            largest = max(float(np.abs(np.subtract(got[name], wanted[name])).max()) for name in wanted)
            lines.append(
                f"{processor:<14}{what:<26}{len(wanted):>7}{largest:>20.5f}{differ:>8} of {len(hands)}"
            )
            lines += [f"{'':<14}{text}" for text in wrong]
            alike &= not wrong
    lines += [f"{name}: {what}" for name, what in PROCESSORS.items()]
    return lines, alike


if __name__ == "__main__":
    sys.exit(main())
