"""Packages from an enemy: `asl-edge check` refuses each in one sentence, and runs nothing that it should not.

A package that passes must read: another picture than its own is read, with the right letter, as JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from enemy_packages import (
    INT8,
    Arguments,
    bombs,
    copy_package,
    external_data,
    forged_signatures,
    list_file,
    mutated_files,
    mutated_metadata,
    mutated_models,
    mutated_numbers,
)
from forked import Run, run_forked
from paths import TESTS
from row import Row

from edge.package import METADATA_NAME

BUILD = """
import sys
from pathlib import Path
import numpy as np
from export.golden_pictures import draw_golden
from support.made_pictures import save
from support.tiny_package import build_tiny_package
build_tiny_package(Path(sys.argv[1]))
for picture in map(Path, sys.argv[2:]):  # none of them is a golden picture of a package
    save(picture, draw_golden(np.random.default_rng(500), picture.stem))
"""
PLANT_SPY = """
import sys
from pathlib import Path
from support.spying_model import plant_spy
plant_spy(Path(sys.argv[1]), Path("/etc/passwd"), Path(sys.argv[2]))
"""
MAX_MB, MAX_CPU_S = 512, 30  # MemoryMax= of the unit, and the longest trial of a model


def attack(short: bool) -> Iterator[Row]:
    """Attack the gate of the update."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = folder / "tiny"
        _run_beside(BUILD, tiny, folder / "F.png", folder / "B.png")
        _warm_up(tiny)
        tries = mutated_metadata(tiny, 40 if short else 600)
        yield _judge("metadata of a package: values, bytes", tries, folder / "F.png")
        tries = mutated_numbers(folder, 6 if short else 28)
        yield _judge("numbers with which nothing is read", tries, folder / "B.png")
        tries = mutated_models(tiny, 25 if short else 300)
        yield _judge("ONNX models: bytes changed, sums right", tries, folder / "F.png")
        checks = mutated_files(tiny, 16 if short else 90)
        yield _refused("files of a package: swapped, cut, grown, links", checks)
        yield _refused("ONNX external data", external_data(tiny, 6 if short else 60))
        yield _refused("ONNX models that take 2 GB or never answer", bombs(tiny))
        checks = forged_signatures(folder, tiny, 8 if short else 60)
        yield _refused("signatures: forged, cut, of others", checks)
        yield _spies(folder, tiny)


def _run_beside(code: str, *arguments: Path) -> None:
    """Run Python that needs torch in another process: its threads survive no fork."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the packages of the attack can't be made: {done.stderr}")


def _warm_up(package: Path) -> None:
    """Import what the commands import, before the first fork, and see that the package is a good one."""
    import edge.commands.check
    import edge.commands.predict
    import edge.engines.onnx  # noqa: F401

    if (run := run_forked(["check", package])).code != 0:
        raise SystemExit(f"the package of the attack is none: {run.stderr}")


def _judge(what: str, packages: Iterable[Path], picture: Path) -> Row:
    """Check each package; it must be refused, or read the picture, whose name is its letter."""
    runs, held, passed = [], 0, 0
    for package in packages:
        run = run_forked(["check", package])
        runs.append(run)
        if run.code == 0:
            passed += 1
            held += _reads(package, picture) and _within(run)
        else:
            held += run.refused_in_one_sentence and _within(run)
        if not (run.code == 0 or run.refused_in_one_sentence):
            print(f"  {package}: {run}", file=sys.stderr)
    note = f"{len(runs) - passed} refused in one sentence; {passed} were harmless and read"
    return _row(what, runs, held, note)


def _refused(what: str, tries: Iterable[Arguments]) -> Row:
    """Run each command; it must refuse the package."""
    runs, held = [], 0
    for arguments in tries:
        run = run_forked(arguments)
        runs.append(run)
        good = run.refused_in_one_sentence and _within(run)
        held += good
        if not good:
            print(f"  {arguments}: {run}", file=sys.stderr)
    return _row(what, runs, held, "each refused in one sentence")


def _row(what: str, runs: list[Run], held: int, note: str) -> Row:
    return Row(what, len(runs), held, max(r.cpu_s for r in runs), max(r.peak_mb for r in runs), note)


def _within(run: Run) -> bool:
    return run.cpu_s <= MAX_CPU_S and run.peak_mb <= MAX_MB


def _reads(package: Path, picture: Path) -> bool:
    def refuse(text: str) -> float:
        raise ValueError(text)

    run = run_forked(["predict", "--model", package, picture])
    try:
        return run.code == 0 and json.loads(run.stdout, parse_constant=refuse)["letter"] == picture.stem
    except ValueError:
        return False


def _spies(folder: Path, package: Path) -> Row:
    """Check packages with a TorchScript model that copies /etc/passwd: it must not run unless it is named."""
    stolen = folder / "stolen"
    copy = copy_package(package)
    _run_beside(PLANT_SPY, copy, stolen)
    stolen.unlink(missing_ok=True)
    runs, held = [], 0
    for arguments, code_expected in _spying_tries(copy):
        runs.append(run := run_forked(arguments))
        good = run.code == code_expected and not stolen.exists()
        held += good
        if not good:
            print(f"  {arguments}: {run}", file=sys.stderr)
    # Asked for by name it runs, and says what it can do. Not forked: torch's threads survive no fork.
    done = subprocess.run(
        [sys.executable, "-m", "edge", "check", copy, "--variant", "dynamic"],
        capture_output=True,
        text=True,
        check=False,
    )
    held += "a program that can read and write the files" in done.stderr
    row = _row(
        "TorchScript that copies /etc/passwd",
        runs,
        held,
        "runs only with `--variant dynamic`, with a warning",
    )
    return Row(row.attack, row.tried + 1, row.held, row.worst_s, row.worst_mb, row.note)


def _spying_tries(package: Path) -> Iterator[tuple[Arguments, int]]:
    """Yield commands and their exit codes; the package changes from one to the next."""
    yield ["check", package], 0
    yield ["doctor", "--model", package], 0
    yield ["predict", "--model", package, package / "golden_F.png"], 0
    path = package / METADATA_NAME
    original = path.read_text()
    metadata = json.loads(original)
    metadata["files"]["int8"]["name"] = "tiny.dynamic.pt"
    path.write_text(json.dumps(metadata))
    yield ["check", package], 2
    path.write_text(original)
    shutil.copy(package / "tiny.dynamic.pt", package / INT8)
    list_file(package, INT8)
    yield ["check", package], 2
