"""`asl-edge check` accepts a package that can run here and refuses every other one."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import tiny_package
from support.bombs import BOMBS, put_bomb
from support.command_line import asl_edge, read_refusal
from support.spying_model import N_BYTES, plant_spy

from edge.package import METADATA_NAME


@pytest.fixture
def package(tiny_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return asl_edge("check", *arguments)


def test_good_package_is_accepted_and_its_speed_printed(package: Path) -> None:
    done = check(package, "--limit-ms", "10000")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{package}: every file is as it was packaged")
    assert " ms per inference" in done.stdout


def test_changed_byte_is_refused(package: Path) -> None:
    (package / "tiny.int8.onnx").write_bytes((package / "tiny.int8.onnx").read_bytes()[:-1] + b"!")
    done = check(package)
    assert done.returncode == 2
    assert "sha256 differs" in done.stderr


def change_metadata(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / METADATA_NAME
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", -1),
        ("temperature", float("nan")),
        ("presence_threshold", 2),
        ("presence_threshold", float("nan")),
    ],
)
def test_number_with_which_nothing_can_be_read_is_refused(package: Path, name: str, value: float) -> None:
    change_metadata(package, lambda metadata: metadata.update({name: value}))
    for command in ("check", "predict"):
        done = asl_edge(command, *(["picture.png"] if command == "predict" else []), "--model", package)
        assert name in read_refusal(done) or "is not a number in JSON" in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(temperature=10), "expected F with confidence"),
        (lambda m: m["golden_pictures"][0].update(letter="G"), "expected G with confidence"),
        (
            lambda m: m["golden_pictures"].append({**m["golden_pictures"][0], "letter": None}),
            "it shows no hand, got F",
        ),
        (lambda m: m["golden_pictures"][0]["confidence"].update(int8=0.2), "within 0.2"),
    ],
)
def test_package_that_reads_its_golden_pictures_wrong_is_refused(
    package: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    change_metadata(package, change)
    sentence = read_refusal(asl_edge("check", package))
    assert f"{package}/tiny.int8.onnx reads golden_F.png wrong: " in sentence
    assert says in sentence


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("golden_pictures"),
        lambda m: m.update(golden_pictures=[]),
        lambda m: m["golden_pictures"][0]["confidence"].pop("int8"),
    ],
)
def test_package_without_golden_pictures_is_refused(
    package: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    change_metadata(package, change)
    assert "holds no golden pictures of int8" in read_refusal(asl_edge("check", package))


def test_golden_picture_that_is_no_picture_is_refused(package: Path) -> None:
    (package / tiny_package.GOLDEN_PICTURE).write_bytes(b"no picture")
    tiny_package.write_metadata(package, None)
    assert "not a picture that OpenCV can decode" in read_refusal(asl_edge("check", package))


def test_shipped_package_reads_its_golden_pictures() -> None:
    done = asl_edge("check")
    assert done.returncode == 0, done.stderr
    assert re.search(r"the golden pictures show ([A-Z], ){6}no hand, ", done.stdout)


def test_package_of_version_1_is_accepted_with_a_warning(package: Path) -> None:
    def to_version_1(metadata: dict[str, Any]) -> None:
        contents = metadata.pop("contents")
        del metadata["golden_pictures"]
        for entry in metadata["files"].values():
            entry |= contents[entry["name"]]
        metadata["schema_version"] = 1

    change_metadata(package, to_version_1)
    done = asl_edge("check", package)
    assert done.returncode == 0
    assert "has schema version 1, which has no golden pictures" in done.stderr
    change_metadata(package, lambda metadata: metadata.update(temperature=float("nan")))
    assert "NaN is not a number in JSON" in read_refusal(asl_edge("check", package))


def test_torchscript_runs_only_if_it_is_asked_for_by_name(package: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "secret", tmp_path / "stolen"
    source.write_text("root:x:0:0:root:/root:/bin/bash")
    plant_spy(package, source, target)
    for command in (["check", package], ["doctor", "--model", package], ["bench", "--model", package]):
        more = ["--camera", "synthetic:A", "--duration", "1"] if command[0] == "bench" else []
        done = asl_edge(*command, *more)
        assert done.returncode == 0, done.stderr
        assert not target.exists(), command
    done = asl_edge("check", package, "--variant", "dynamic")
    assert "TorchScript, a program that can read and write the files of the user" in done.stderr
    assert target.read_text() == source.read_text()[:N_BYTES]  # so the model above would have done it, too


def test_torchscript_under_the_name_of_int8_is_refused(package: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "secret", tmp_path / "stolen"
    source.write_text("root:x:0:0:root:/root:/bin/bash")
    plant_spy(package, source, target)
    dynamic = tiny_package.FILES["dynamic"]
    change_metadata(package, lambda metadata: metadata["files"]["int8"].update(name=dynamic))
    assert "its file of int8 must end in .onnx" in read_refusal(asl_edge("check", package))
    (package / tiny_package.FILES["int8"]).write_bytes((package / dynamic).read_bytes())
    tiny_package.write_metadata(package, None)
    assert "is no ONNX model" in read_refusal(asl_edge("check", package))
    assert not target.exists()


@pytest.mark.parametrize("kind", BOMBS)
def test_model_that_takes_all_memory_or_never_answers_is_refused(package: Path, kind: str) -> None:
    put_bomb(package / "tiny.int8.onnx", kind)
    tiny_package.write_metadata(package, None)
    sentence = read_refusal(asl_edge("check", package, *(["--timeout-s", "5"] if kind == "endless" else [])))
    says = "did not answer within 5 s" if kind == "endless" else "Failed to allocate memory"
    assert says in sentence


@pytest.mark.parametrize("answers", [{}, {"int8": [9.0] * 25}, {"int8": None}])
def test_missing_golden_answer_is_refused(package: Path, answers: dict[str, list[float]]) -> None:
    tiny_package.write_metadata(package, answers)
    done = check(package)
    assert done.returncode == 2
    assert done.stderr.startswith(f"asl-edge: {package} holds no golden answer of int8")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_time_that_is_none_is_refused(package: Path, value: str) -> None:
    assert "--timeout-s must be from 0 to 86400" in read_refusal(check(package, "--timeout-s", value))


def test_limit_of_nan_refuses_every_package(package: Path) -> None:
    assert check(package, "--limit-ms", "nan").returncode == 2


def test_wrong_golden_answer_is_refused(package: Path) -> None:
    tiny_package.write_metadata(package, {variant: [9.0] * 26 for variant in tiny_package.FILES})
    done = check(package)
    assert done.returncode == 2
    assert "answers the golden input" in done.stderr


def test_slow_model_is_refused_with_its_time(package: Path) -> None:
    done = check(package, "--limit-ms", "0.000001")
    assert done.returncode == 2
    assert "the limit is 1e-06 ms" in done.stderr


def test_settings_name_the_model_and_wrong_ones_are_refused(package: Path, tmp_path: Path) -> None:
    settings = tmp_path / "asl-edge.toml"
    settings.write_text(f'[model]\nfolder = "{package}"\nthreads = 1\n')
    assert check("--config", settings).returncode == 0
    settings.write_text("[model]\nthread = 1\n")
    done = check("--config", settings)
    assert done.returncode == 2
    assert "did you mean 'threads'" in done.stderr
