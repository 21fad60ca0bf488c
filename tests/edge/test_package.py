"""A package that disagrees with its metadata is refused in one sentence that says what and what to do."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_package import FILES, GOLDEN_PICTURE

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


def to_version_1(metadata: Metadata) -> None:
    """Describe the same package as asl-edge 0.2 did."""
    contents = metadata.pop("contents")
    del metadata["golden_pictures"]
    for entry in metadata["files"].values():
        entry |= contents[entry["name"]]
    metadata["schema_version"] = 1


def replace_text(folder: Path, pattern: str, text: str) -> None:
    path = folder / METADATA_NAME
    changed, count = re.subn(pattern, text, path.read_text(), count=1)
    assert count == 1
    path.write_text(changed)


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
        (lambda m: m["labels"].pop(), "its labels must be A to Z, 26 in order"),
        (lambda m: m["labels"].reverse(), "its labels must be A to Z, 26 in order"),
        (lambda m: m.update(labels=None), "its labels must be A to Z"),
        (lambda m: m.update(schema_version=99), "schema version 99; this asl-edge reads version 1 and 2"),
        (lambda m: m.update(schema_version=2.0), "schema version 2.0"),
        (lambda m: m["input"].update(shape=[1, 3, 64, 32]), "its input shape must be [1, 3, S, S]"),
        (lambda m: m["input"].update(shape=[]), "its input shape must be [1, 3, S, S]"),
        (lambda m: m["input"].update(shape=[1, 3, True, True]), "its size_px must be a number from 32"),
        (lambda m: m["input"].update(shape=[1, 3, 9999, 9999]), "its size_px must be a number from 32"),
        (lambda m: m["input"].update(name="picture"), "its input must be called image"),
        (lambda m: m["input"].update(colour="BGR"), "made for other pixels"),
        (lambda m: m["input"].update(mean=[0, 0, 0]), "made for other pixels"),
        (lambda m: m["input"].update(value_range=[0, 255]), "made for other pixels"),
        (lambda m: m["outputs"]["letters"].update(shape=[1, 24]), "shape [1, 24], expected [1, 26]"),
        (lambda m: m["outputs"]["features"].update(shape=[1, 10**9]), "its n_features must be a number from"),
        (lambda m: m["outputs"]["features"].update(shape="wide"), "must have shape [1, F], got 'wide'"),
        (lambda m: m["outputs"].pop("presence"), "'presence' is missing"),
        (lambda m: m.pop("files"), "'files' is missing"),
        (lambda m: m.update(files={}), "lists no model file"),
        (lambda m: m["files"].update(int4={"name": "tiny.onnx"}), "lists the variant 'int4'; there are int8"),
        (lambda m: m["files"]["int8"].update(name="../tiny.int8.onnx"), "is not in its contents"),
        (lambda m: m["files"]["int8"].update(name="tiny.engine"), "its file of int8 must end in .onnx"),
        (lambda m: m["files"]["int8"].update(name=FILES["dynamic"]), "its file of int8 must end in .onnx"),
        (lambda m: m["contents"].pop(FILES["int8"]), "tiny.int8.onnx, is not in its contents"),
        (lambda m: m["contents"][FILES["int8"]].pop("sha256"), "'sha256' is missing"),
        (lambda m: m["contents"][FILES["int8"]].update(sha256="0"), "must be 64 hex digits, got '0'"),
        (lambda m: m["contents"][FILES["int8"]].update(bytes=10**12), "its bytes must be a number from 1 to"),
        (lambda m: m["contents"][FILES["int8"]].update(bytes=1.5), "its bytes must be a whole number"),
        (lambda m: m["contents"].update({"../secret": {}}), "it must be a name without a folder"),
        (lambda m: m["contents"].update({"a\x1b[31m\n": {}}), "'a\\x1b[31m\\n'"),
        (lambda m: m["contents"].update({f"{n}.png": {} for n in range(99)}), "at most 64 are read"),
        (lambda m: m["golden_pictures"][0].update(name="other.png"), "must be a .png file that its"),
        (
            lambda m: m["golden_pictures"][0].update(name=FILES["int8"]),
            "must be a .png file that its",
        ),
        (lambda m: m["golden_pictures"][0].update(letter="AB"), "must show a letter or null, got 'AB'"),
        (lambda m: m["golden_pictures"][0]["confidence"].update(int8=2), "its golden confidence must be a"),
        (lambda m: m.update(golden_pictures="many"), "must be a list of at most 16 pictures"),
        (lambda m: m["golden"]["letters"]["int8"].__setitem__(3, 1e9), "its golden logit must be a number"),
        (lambda m: m.update(created="\x1b[2Jnow"), "its 'created' must be a date"),
        (lambda m: m.update(created="1" * 1000), "its 'created' must be a date"),
    ],
)
def test_metadata_that_disagrees_is_refused(
    package_folder: Path, change: Callable[[Metadata], object], says: str
) -> None:
    change_metadata(package_folder, change)
    sentence = refusal(package_folder)
    assert METADATA_NAME in sentence
    assert says in sentence


@pytest.mark.parametrize("name", ["temperature", "presence_threshold"])
@pytest.mark.parametrize("value", ["0", "-1", "-1e-3", "NaN", "1e9", "true", '"1"', "null", "[1]", "{}"])
def test_number_out_of_its_range_is_refused(package_folder: Path, name: str, value: str) -> None:
    replace_text(package_folder, rf'"{name}": [0-9.]+', f'"{name}": {value}')
    assert name in refusal(package_folder) or value == "NaN"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "1" + "0" * 400])
def test_number_that_json_does_not_have_is_refused_anywhere(package_folder: Path, value: str) -> None:
    replace_text(package_folder, r"^{", f'{{"accuracy": [{{"seen": {value}}}],')
    sentence = refusal(package_folder)
    assert "is not valid JSON" in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize("depth", [100, 900, 990, 100_000])
def test_deeply_nested_metadata_is_no_traceback(package_folder: Path, depth: int) -> None:
    """Python parses some hundred levels, which do no harm in a part of the metadata that nobody reads."""
    replace_text(package_folder, r"^{", f'{{"note": {"[" * depth}{"]" * depth},')
    if depth < 500:
        assert open_package(package_folder).files
    elif depth > 1000:
        assert "are nested too deeply" in refusal(package_folder)
    else:
        with contextlib.suppress(PackageError):
            open_package(package_folder)


def test_endless_metadata_is_refused(package_folder: Path) -> None:
    with (package_folder / METADATA_NAME).open("wb") as file:
        file.truncate(10**12)  # sparse: nobody has to write so many zeros
    assert "larger than 2,000,000 bytes" in refusal(package_folder)


def test_file_is_not_summed_if_its_size_is_another(package_folder: Path) -> None:
    with (package_folder / "tiny.int8.onnx").open("ab") as file:
        file.truncate(10**12)
    assert "has 1000000000000 bytes" in refusal(package_folder)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/fd/0", "/", "pipe"])
def test_link_to_no_regular_file_is_refused(package_folder: Path, target: str) -> None:
    os.mkfifo(package_folder / "pipe")
    file = package_folder / "tiny.int8.onnx"
    file.unlink()
    file.symlink_to(target)
    assert "tiny.int8.onnx" in refusal(package_folder)


def test_file_that_is_not_listed_does_not_matter(package_folder: Path) -> None:
    (package_folder / "unlisted.onnx").write_bytes(b"whatever")
    assert set(open_package(package_folder).contents) == {*FILES.values(), GOLDEN_PICTURE}


def test_changed_golden_picture_is_found(package_folder: Path) -> None:
    data = bytearray((package_folder / GOLDEN_PICTURE).read_bytes())
    data[len(data) // 2] ^= 1
    (package_folder / GOLDEN_PICTURE).write_bytes(data)
    assert f"{GOLDEN_PICTURE} is not the file that was packaged" in refusal(package_folder)


def test_version_1_is_still_read(package_folder: Path) -> None:
    change_metadata(package_folder, to_version_1)
    package = open_package(package_folder)
    assert (package.schema_version, package.golden_pictures) == (1, ())
    assert package.sha256("int8") == compute_sha256(package_folder / "tiny.int8.onnx")
    change_metadata(package_folder, lambda m: m["files"]["int8"].update(sha256="0" * 64))
    assert "tiny.int8.onnx is not the file that was packaged" in refusal(package_folder)


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert compute_sha256(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
