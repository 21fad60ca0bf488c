"""Make packages as an enemy would: each generator yields fresh copies of a good one, damaged on purpose."""

import contextlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import paths  # noqa: F401  finds tests/support
from support.bombs import BOMBS, put_bomb

from edge.models import DEFAULT_MODEL
from edge.package import METADATA_NAME, compute_sha256
from edge.package.signature import IDENTITY, PACKAGE_NAMESPACE, SIGNATURE_SUFFIX

INT8 = "tiny.int8.onnx"
Arguments = Sequence[str | Path]  # of asl-edge

# what replaces a value of the metadata, written as JSON would have it, and as it would not
VALUES = (
    *(
        "null",
        "true",
        "0",
        "-1",
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "1e308",
        "2",
        "0.0001",
        '""',
        '"\\u0000"',
    ),
    *(
        '"../../etc/passwd"',
        '"\\u001b[2J\\nasl-edge: fine"',
        "[]",
        "{}",
        "[[[[[[]]]]]]",
        '"' + "A" * 100_000 + '"',
    ),
    *("9" * 5000, "[" * 5000 + "]" * 5000, '{"a": {"a": {"a": 1}}}', "1" + "0" * 300, '"\\ud800"'),
)
NUMBERS = ("0", "-1", "NaN", "1e-9", "-0.5", "2", "11", "1e9", "Infinity", "0.99", "0.01", "10", "0.2", "3.5")


def copy_package(package: Path) -> Path:
    """Return a fresh copy in the place of the last one."""
    copy = package.with_name(package.name + "-attacked")
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(package, copy)


def mutated_metadata(package: Path, count: int) -> Iterator[Path]:
    """Yield packages with a value replaced or removed, or some bytes of the metadata changed."""
    chance = random.Random(28)
    for number in range(count):
        copy = copy_package(package)
        path = copy / METADATA_NAME
        if number % 4 == 0:
            data = bytearray(path.read_bytes())
            for _ in range(chance.choice((1, 3, 20))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            path.write_bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data))))])
        else:
            metadata = json.loads(path.read_text())
            key, inside = chance.choice(list(_places(metadata)))
            if number % 4 == 1:
                del inside[key]
                path.write_text(json.dumps(metadata))
            else:
                inside[key] = "HERE"
                path.write_text(json.dumps(metadata).replace('"HERE"', chance.choice(VALUES)))
        yield copy


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the key and the object or list of each value, at any depth."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield key, value
        yield from _places(value[key])


def mutated_numbers(folder: Path, count: int) -> Iterator[Path]:
    """Yield copies of the shipped package with another temperature or presence threshold."""
    package = folder / "shipped"
    shutil.copytree(DEFAULT_MODEL, package, dirs_exist_ok=True)
    tries = [(name, value) for value in NUMBERS for name in ("temperature", "presence_threshold")]
    for name, value in tries[:count]:
        copy = copy_package(package)
        path = copy / METADATA_NAME
        metadata = json.loads(path.read_text()) | {name: "HERE"}
        path.write_text(json.dumps(metadata).replace('"HERE"', value))
        yield copy


def mutated_files(package: Path, count: int) -> Iterator[Arguments]:
    """Yield checks of packages in which a file is not the one that was packaged."""
    chance = random.Random(28)
    names = sorted(json.loads((package / METADATA_NAME).read_text())["contents"])
    ways: list[Callable[[Path], object]] = [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)]),
        lambda path: path.write_bytes(path.read_bytes() + chance.randbytes(chance.randrange(1, 1000))),
        lambda path: path.write_bytes(_flipped(path.read_bytes(), chance)),
        lambda path: os.truncate(path, 10**12),
        lambda path: _replace(path, lambda: path.mkdir()),
        lambda path: _replace(path, lambda: os.mkfifo(path)),
        lambda path: _replace(path, lambda: path.symlink_to("/dev/zero")),
        lambda path: _replace(path, lambda: path.symlink_to("/etc/passwd")),
        lambda path: _replace(path, lambda: path.symlink_to(path)),
        lambda path: _replace(path, lambda: shutil.copy(path.parent / chance.choice(names), path)),
    ]
    number = 0
    while number < count:
        copy = copy_package(package)
        path = copy / names[number % len(names)]
        before = compute_sha256(path)
        with contextlib.suppress(FileNotFoundError):  # a file was to be replaced by itself
            ways[number % len(ways)](path)
        if path.is_file() and path.stat().st_size < 10**9 and compute_sha256(path) == before:
            path.write_bytes(b"another")
        number += 1
        yield ["check", copy]


def _replace(path: Path, put: Callable[[], object]) -> None:
    path.unlink()
    put()


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def mutated_models(package: Path, count: int) -> Iterator[Path]:
    """Yield packages whose network is damaged on purpose, and listed with its right sum."""
    chance = random.Random(28)
    for number in range(count):
        copy = copy_package(package)
        path = copy / INT8
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 2, 8, 64))):
            at = chance.randrange(len(data))
            if number % 3 == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif number % 3 == 1:
                data[at : at + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
            else:
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        path.write_bytes(data[: len(data) if number % 7 else chance.randrange(1, len(data))])
        list_file(copy, INT8)
        yield copy


def list_file(package: Path, name: str) -> None:
    """List a file with the size and sum that it has now."""
    path = package / METADATA_NAME
    metadata = json.loads(path.read_text())
    file = package / name
    metadata["contents"][name] = {"bytes": file.stat().st_size, "sha256": compute_sha256(file)}
    path.write_text(json.dumps(metadata))


def external_data(package: Path, count: int) -> Iterator[Arguments]:
    """Yield checks of packages whose networks keep weights in a file beside them, far away, or in memory."""
    places = ("weights.bin", "/etc/passwd", "../weights.bin", "*/_ORT_MEM_ADDR_/*", "/proc/self/mem", "")
    for number in range(count):
        copy = copy_package(package)
        model = onnx.load(str(copy / INT8))
        tensors = [*model.graph.initializer]
        tensor = tensors[number // len(places) % len(tensors)]
        (copy / "weights.bin").write_bytes(tensor.raw_data)
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (
            ("location", places[number % len(places)]),
            ("offset", "0"),
            ("length", str(size)),
        ):
            tensor.external_data.add(key=key, value=value)
        (copy / INT8).write_bytes(model.SerializeToString())
        list_file(copy, INT8)
        yield ["check", copy]


def bombs(package: Path) -> Iterator[Arguments]:
    """Yield checks of packages whose networks take all memory or never answer."""
    for kind in BOMBS:
        copy = copy_package(package)
        put_bomb(copy / INT8, kind)
        list_file(copy, INT8)
        yield ["check", copy, *(["--timeout-s", "5"] if kind == "endless" else [])]


def forged_signatures(folder: Path, package: Path, count: int) -> Iterator[Arguments]:
    """Yield checks of packages whose signature is not one of the listed key."""
    keys = [folder / "key", folder / "other"]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers = folder / "signers"
    signers.write_text(
        f'{IDENTITY} namespaces="{PACKAGE_NAMESPACE}" {keys[0].with_suffix(".pub").read_text()}'
    )
    chance = random.Random(28)
    for number in range(count):
        copy = copy_package(package)
        path = copy / METADATA_NAME
        key, namespace = (keys[1], PACKAGE_NAMESPACE) if number % 6 == 0 else (keys[0], PACKAGE_NAMESPACE)
        namespace = "git" if number % 6 == 1 else namespace
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", namespace, path]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        signature = path.with_name(path.name + SIGNATURE_SUFFIX)
        text = signature.read_bytes()
        if number % 6 == 2:
            path.write_bytes(path.read_bytes() + b" ")
        elif number % 6 == 3:
            signature.write_bytes(text[: chance.randrange(len(text) - 60)])
        elif number % 6 == 4:
            signature.write_bytes(chance.randbytes(chance.randrange(2000)))
        elif number % 6 == 5:
            signature.unlink()
            if number % 12 == 5:
                signature.symlink_to("/dev/zero")
        yield ["check", copy, "--signers", signers]
