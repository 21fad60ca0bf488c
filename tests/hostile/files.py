"""Settings, metadata and taught files that hold anything, files without an end, and names that deceive."""

import io
import os
import random
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cost import ROOT, cpu_s, peak_mb, reset_peaks, run_measured
from pictures import build_model, mutate
from row import Row
from service import Service, is_used

MAX_MB, MAX_S = 300.0, 5.0
CONTROLS = [chr(code) for code in (*range(1, 32), 127, 0x9B, 0x202E, 0x2028)]
WORDS = (
    "synthetic:F",
    "replay:x",
    "usb:0",
    "pi:" + "9" * 5000,
    "x" * 90_000,
    "\\u0000",
    "\\u001b[2J\\n",
    "é" * 99,
)
NUMBERS = (
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "0x" + "f" * 9000,
    "9" * 5000,
    "1_0",
    "-0.0",
    "1979-05-27T07:32:00Z",
)
DEEP = ("[" * 5000, "{a=" * 3000, "[" * 90 + "]" * 90, "[" + "0," * 20_000 + "]")
JSON_VALUES = (
    b"NaN", b"-1", b"1e400", b"9" * 9000, b"[" * 50_000, b'{"a":' * 50_000, b"null", b"{}", b'"\\u001b[2J"',
)  # fmt: skip


def attack(short: bool) -> Iterator[Row]:
    """Yield a row for each kind of file."""
    rng = random.Random(28)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_model(folder / "model")
        settings = folder / "settings.toml"
        good = (
            f'[camera]\nsource = "synthetic:F"\nfps = 5\n[model]\nfolder = "{folder / "model"}"\n'
            f'[letters]\noutput = "none"\n[personalize]\nstate_dir = "{folder}"\n'
        )
        settings.write_text(good)
        metadata = folder / "model/model_metadata.json"
        taught = folder / f"taught-{_sha256(metadata)[:12]}.npz"
        count = 12 if short else 300

        def change_settings() -> bytes:
            return _change_settings(rng, good).encode()

        yield _reload("settings files, reloaded", settings, settings, folder, count, change_settings)
        original = metadata.read_bytes()
        yield _reload(
            "metadata of a model, reloaded", metadata, settings, folder, count,
            lambda: _change_json(rng, original),
        )  # fmt: skip
        yield _reload(
            "taught files, reloaded",
            taught,
            settings,
            folder,
            count // 3,
            lambda: _change_taught(rng, original),
        )
        yield _attack_kinds(folder, short)
        yield _attack_names(rng, folder, 20 if short else 200)


def _sha256(metadata: Path) -> str:
    from json import loads

    described = loads(metadata.read_bytes())
    return str(described["contents"][described["files"]["int8"]["name"]]["sha256"])


def _reload(
    attack: str, file: Path, settings: Path, folder: Path, count: int, change: Callable[[], bytes]
) -> Row:
    """Let one service reload again and again after `file` was changed; at the end it must reload well."""
    good = file.read_bytes() if file.exists() else None
    held, used, worst_s, worst_mb = 0, 0, 0.0, 0.0
    service = Service(settings, folder)
    for _ in range(count):
        if service.process.poll() is not None:
            service = _restore_and_start(file, good, settings, folder)
        file.write_bytes(change())
        reset_peaks(service.process.pid)
        before_s = cpu_s(service.process.pid)
        lines = service.reload()
        if service.process.poll() is not None:
            continue
        s, mb = cpu_s(service.process.pid) - before_s, peak_mb(service.process.pid)
        worst_s, worst_mb = max(worst_s, s), max(worst_mb, mb)
        used += is_used(lines)
        held += (
            s <= MAX_S
            and mb <= MAX_MB
            and all(line.isprintable() and "Traceback" not in line for line in lines)
        )
    _restore(file, good)
    is_well = service.process.poll() is None and service.uses_settings()
    service.end()
    note = f"{used} reloads are used, {count - used} refused in one sentence; the service reads on"
    return Row(attack, count + 1, held + is_well, worst_s, worst_mb, note)


def _restore(file: Path, good: bytes | None) -> None:
    if good is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(good)


def _restore_and_start(file: Path, good: bytes | None, settings: Path, folder: Path) -> Service:
    _restore(file, good)
    return Service(settings, folder)


def _change_settings(rng: random.Random, good: str) -> str:
    """Return settings with another value, another line, or other bytes."""
    lines = good.splitlines()
    position = rng.randrange(len(lines))
    key = lines[position].partition(" = ")[0]
    value = rng.choice([*(f'"{word}"' for word in WORDS), *NUMBERS, *DEEP, rng.choice(CONTROLS)])
    choice = rng.randrange(4)
    if choice == 0:
        lines[position] = f"{key} = {value}"
    elif choice == 1:
        lines.insert(
            position, f"{rng.choice(['a', 'fps', 'a.' * 9000 + 'a', '[a' + '.a' * 200 + ']'])} = {value}"
        )
    elif choice == 2:
        lines.insert(position, rng.choice(["#" * 200_000, "[camera]", "[[letters]]", '"\\u001b"=1', "\x00"]))
    else:
        return mutate(rng, good.encode()).decode("latin-1")
    return "\n".join(lines)


def _change_json(rng: random.Random, good: bytes) -> bytes:
    if rng.random() < 0.5:
        return mutate(rng, good)
    colons = [position for position, byte in enumerate(good) if byte == ord(":")]
    position = rng.choice(colons)
    end = position + good[position:].index(b"\n")
    return good[: position + 1] + rng.choice(JSON_VALUES) + b"," + good[end:]


def _change_taught(rng: random.Random, metadata: bytes) -> bytes:
    """Return an archive of arrays whose headers ask for anything, or one that unpacks to 200 MB, or noise."""
    choice = rng.randrange(4)
    if choice == 0:
        return rng.randbytes(rng.randrange(2000))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("model_sha256", "features", "logits", "letters"):
            header = io.BytesIO()
            form = {
                "descr": rng.choice(["<f2", "<f4", "<i8", "|O", "<U64", "<f8"]),
                "fortran_order": rng.random() < 0.5,
                "shape": tuple(
                    rng.choice([0, 1, 16, 26, 1 << 20, 1 << 31, 1 << 60]) for _ in range(rng.randrange(3))
                ),
            }
            np.lib.format.write_array_header_1_0(header, form)
            archive.writestr(
                f"{name}.npy", header.getvalue() + bytes(rng.choice([0, 64, 64, 64, 30_000_000]))
            )
    return file.getvalue() if choice < 3 else mutate(rng, file.getvalue())


def _attack_kinds(folder: Path, short: bool) -> Row:
    """Give each flag that reads a file a pipe, devices, a folder, a socket and files without an end."""
    os.mkfifo(folder / "pipe.png")
    (folder / "empty").mkdir()
    with (folder / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.png"))
        (folder / "loop.png").symlink_to("loop.png")
        kinds = [
            folder / name
            for name in ("pipe.png", "sparse.png", "socket.png", "loop.png", "absent.png", "empty")
        ]
        kinds += [Path(name) for name in ("/dev/zero", "/dev/urandom", "/proc/self/mem", "/proc/kmsg")]
        model = ["--model", str(folder / "model")]
        run = ["run", "--camera", "synthetic:F", "--output", "none", *model]
        commands = [
            ["predict", *model, "{}"],
            ["run", "--config", "{}"],
            ["bench", "--compare", "{}"],
            [*run, "--page", "127.0.0.1:0", "--page-token-file", "{}"],
            [*run, "--mqtt", "mqtt://127.0.0.1:1", "--mqtt-password-file", "{}"],
            [*run, "--mqtt", "mqtts://127.0.0.1:1", "--mqtt-ca-file", "{}"],
            ["run", *model, "--camera", "replay:{}"],
            ["run", "--camera", "synthetic:F", "--model", "{}"],
        ]
        tries = [(command, kind) for command in commands for kind in kinds]
        results = [
            _run([word.format(kind) for word in command]) for command, kind in tries[:: 13 if short else 1]
        ]
    return Row(
        "files without an end, by each flag that reads one",
        len(results),
        sum(held for held, _, _ in results),
        max(s for _, s, _ in results),
        max(mb for _, _, mb in results),
        "refused in one sentence",
    )


def _run(arguments: list[str]) -> tuple[bool, float, float]:
    """Run a command; return whether it refused in one line, its processor seconds, and its memory in MB."""
    code, lines, s, mb = run_measured(arguments)
    is_refused = code in (1, 2) and len(lines) == 1 and lines[0].isprintable()
    return is_refused and s <= MAX_S and mb <= MAX_MB, s, mb


def _attack_names(rng: random.Random, folder: Path, count: int) -> Row:
    """Replay and predict files whose names hold control characters, and look at what is printed."""
    pictures = folder / "\x1b[2J\nasl-edge: all is well"
    pictures.mkdir()
    names = [
        "".join(rng.choices([*CONTROLS, "a", "\udcff"], k=8)) + f"{number}.png" for number in range(count)
    ]
    for name in names:
        (pictures / name).write_bytes(b"no picture")
    held = 0
    model = ["--model", str(folder / "model")]
    for command in (
        ["predict", *model, *(str(pictures / name) for name in names)],
        ["run", *model, "--camera", f"replay:{pictures}"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "edge", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        lines = (done.stdout + done.stderr).splitlines()
        held += sum(line.isprintable() and "no" in line and "picture" in line for line in lines)
    return Row(
        "names with control characters", 2 * count + 1, held, note="printed as \\u001b, each on its line"
    )
