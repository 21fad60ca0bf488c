"""A package that disagrees with its metadata is refused in one sentence that says what and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import PackageError
from edge.package import METADATA_NAME, compute_sha256, open_package

Metadata = dict[str, Any]


@pytest.fixture
def package_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def change_metadata(folder: Path, change: Callable[[Metadata], object]) -> None:
    path = folder / METADATA_NAME
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))


def refusal(folder: Path) -> str:
    with pytest.raises(PackageError) as caught:
        open_package(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_valid_package_opens(tiny_folder: Path) -> None:
    package = open_package(tiny_folder)
    assert package.size_px == 64
    assert set(package.files) == {"int8", "float", "dynamic"}
    assert package.file("int8").is_file()


def test_unknown_variant_lists_the_packages_variants(tiny_folder: Path) -> None:
    with pytest.raises(PackageError, match="no variant 'int4', only float, int8, dynamic"):
        open_package(tiny_folder).file("int4")


def test_changed_byte_is_found(package_folder: Path) -> None:
    file = package_folder / "tiny.int8.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert "tiny.int8.onnx is not the file that was packaged (sha256 differs)" in refusal(package_folder)


def test_truncated_file_is_found(package_folder: Path) -> None:
    file = package_folder / "tiny.onnx"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    assert f"has {size - 1} bytes, expected {size}; copy the package again" in refusal(package_folder)


def test_missing_model_file_is_named(package_folder: Path) -> None:
    (package_folder / "tiny.onnx").unlink()
    assert "tiny.onnx is missing; copy the whole package again" in refusal(package_folder)


def test_folder_without_metadata_is_no_package(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is no deployment package: it has no model_metadata.json"
    (tmp_path / "file").touch()
    assert "file is no deployment package" in refusal(tmp_path / "file")


@pytest.mark.parametrize("text", ["{", "", "\xff\xfe", "{}", "[]", "null", '"text"'])
def test_invalid_metadata_is_refused(package_folder: Path, text: str) -> None:
    (package_folder / METADATA_NAME).write_text(text, encoding="latin-1")
    assert METADATA_NAME in refusal(package_folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["labels"].pop(), "lists 25 labels; it must list A to Z, 26 in order"),
        (lambda m: m["labels"].reverse(), "it must list A to Z, 26 in order"),
        (lambda m: m.update(labels=None), "incomplete"),
        (lambda m: m.update(schema_version=99), "schema version 99; this asl-edge reads version 1"),
        (lambda m: m["input"].update(shape=[1, 3, 64, 32]), "it must be [1, 3, S, S]"),
        (lambda m: m["input"].update(shape=[]), "it must be [1, 3, S, S]"),
        (lambda m: m["input"].update(colour="BGR"), "made for other pixels"),
        (lambda m: m["input"].update(mean=[0, 0, 0]), "made for other pixels"),
        (
            lambda m: m["outputs"]["letters"].update(shape=[1, 24]),
            "shape [1, 24], expected [1, 26]",
        ),
        (lambda m: m["outputs"].pop("presence"), "'presence' is missing"),
        (lambda m: m.pop("files"), "'files' is missing"),
        (lambda m: m.update(files={}), "lists no model file"),
        (lambda m: m["files"]["int8"].update(name="../tiny.int8.onnx"), "it must be a name without a folder"),
        (lambda m: m["files"]["int8"].update(name="tiny.engine"), "must end in .onnx or .pt"),
        (lambda m: m["files"]["int8"].pop("sha256"), "'sha256' is missing"),
        (lambda m: m.update(temperature="warm"), "incomplete"),
    ],
)
def test_metadata_that_disagrees_is_refused(
    package_folder: Path, change: Callable[[Metadata], object], says: str
) -> None:
    change_metadata(package_folder, change)
    sentence = refusal(package_folder)
    assert METADATA_NAME in sentence
    assert says in sentence


def test_model_file_that_can_not_be_read_is_named(package_folder: Path) -> None:
    file = package_folder / "tiny.int8.onnx"
    file.unlink()
    file.symlink_to("/proc/self/mem")  # whose first bytes nobody may read, root included
    assert refusal(package_folder) == f"{file} can't be read: input/output error"


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert compute_sha256(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
