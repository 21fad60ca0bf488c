"""Start the real program as a user does."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from support.broken_pictures import png_of_zeros
from support.command_line import (
    ASL_EDGE,
    ENVIRONMENT,
    asl_edge,
    parse_json_lines,
    read_refusal,
    start_asl_edge,
)
from support.made_pictures import save, scene
from support.videos import N_FRAMES, write_video

from edge import __version__


def test_version_is_printed() -> None:
    assert asl_edge("--version").stdout == f"asl-edge {__version__}\n"


def test_help_lists_the_commands_and_imports_no_library() -> None:
    code = (
        "import sys; from edge.commands.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    *help_lines, loaded = done.stdout.splitlines()
    assert (done.returncode, done.stderr, loaded) == (0, "", "[]")
    assert [line.split()[0] for line in help_lines if re.match("    [a-z]", line)] == [
        "predict", "run", "demo", "teach", "bench", "check", "unpublish", "doctor",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["fly"], ["predict", "--speed", "9"], ["run", "--threads", "x"]])
def test_wrong_command_line_is_reported_in_one_sentence(arguments: list[str]) -> None:
    assert "--help)" in read_refusal(asl_edge(*arguments))


def test_predict_without_files_is_reported_in_one_sentence() -> None:
    assert "predict got no files" in read_refusal(asl_edge("predict"))


def test_predict_prints_a_line_per_picture_in_the_given_order(tiny_folder: Path, tmp_path: Path) -> None:
    files = [save(tmp_path / name, scene(i, 90, 120)) for i, name in enumerate(("b.png", "a.webp", "c.bmp"))]
    done = asl_edge("predict", "--model", tiny_folder, *files)
    assert (done.returncode, done.stderr) == (0, "")
    results = parse_json_lines(done.stdout)
    assert [result["file"] for result in results] == [str(file) for file in files]
    for result in results:
        assert list(result) == ["file", "letter", "confidence", "top", "box_xyxy"]
        assert result["letter"] == "F"
        assert result["top"][0] == ["F", result["confidence"]]
        assert len(result["top"]) == 3
        assert len(result["box_xyxy"]) == 4


def test_predict_prints_no_letter_below_the_minimum_confidence(tiny_folder: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", scene(1))
    done = asl_edge("predict", "--model", tiny_folder, "--min-confidence", "1", picture)
    (result,) = parse_json_lines(done.stdout)
    assert result["letter"] is None
    assert 0 < result["confidence"] < 1


def test_predict_reports_bad_pictures_reads_the_rest_and_exits_with_1(
    tiny_folder: Path, tmp_path: Path
) -> None:
    good = save(tmp_path / "good.png", scene(1))
    bad = {name: tmp_path / name for name in ("empty.png", "pixel.png", "huge.png", "text.jpg", "absent.png")}
    bad["empty.png"].write_bytes(b"")
    save(bad["pixel.png"], np.zeros((1, 1, 3), np.uint8))
    bad["huge.png"].write_bytes(png_of_zeros(20_000, 10_000))
    bad["text.jpg"].write_text("no picture")
    bad["empty"] = tmp_path / "empty"
    bad["empty"].mkdir()
    done = asl_edge("predict", "--model", tiny_folder, *bad.values(), good)
    assert (done.returncode, done.stderr) == (1, "")
    *errors, last = parse_json_lines(done.stdout)
    assert [list(result) for result in errors] == [["file", "error"]] * 6
    assert [result["file"] for result in errors] == list(map(str, bad.values()))
    assert (last["file"], last["letter"]) == (str(good), "F")


def test_predict_reads_pictures_of_every_kind(tiny_folder: Path, tmp_path: Path) -> None:
    picture = Pillow.new("RGB", (80, 60), (200, 120, 90))
    kinds = {"alpha.png": "RGBA", "grey.png": "L", "cmyk.jpg": "CMYK", "palette.png": "P", "deep.tif": "I;16"}
    for name, mode in kinds.items():
        (picture.convert("L") if mode == "I;16" else picture).convert(mode).save(tmp_path / name)
    done = asl_edge("predict", "--model", tiny_folder, *(tmp_path / name for name in kinds))
    assert done.returncode == 0, done.stdout
    assert len(parse_json_lines(done.stdout)) == len(kinds)


def test_predict_reads_a_name_from_standard_input_before_the_next_arrives(
    tiny_folder: Path, tmp_path: Path
) -> None:
    with start_asl_edge("predict", "--model", tiny_folder, "-") as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for i in range(3):
            picture = save(tmp_path / f"{i}.png", scene(i))
            program.stdin.write(f"{picture}\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["file"] == str(picture)
        program.stdin.close()
        assert program.wait(60) == 0


def test_names_from_standard_input_may_hold_any_bytes_and_keep_their_place(
    tiny_folder: Path, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", scene(1))
    odd = os.fsdecode(b"odd \xff name.png")
    for name in (odd, "windows.png", "last.png"):
        shutil.copy(tmp_path / "a.png", tmp_path / name)
    with (tmp_path / "names").open("wb") as names:
        # with empty lines, line endings of Windows, and no newline at the end
        names.write(b"odd \xff name.png\n\n\r\nwindows.png\r\nlast.png")
    with (tmp_path / "names").open("rb") as names:
        done = asl_edge("predict", "--model", tiny_folder, "a.png", "-", "a.png", cwd=tmp_path, stdin=names)
    files = [result["file"] for result in parse_json_lines(done.stdout)]
    assert files == ["a.png", odd, "windows.png", "last.png", "a.png"]
    assert done.returncode == 0


def test_empty_name_is_reported_and_the_others_are_read(tiny_folder: Path, tmp_path: Path) -> None:
    done = asl_edge("predict", "--model", tiny_folder, "", save(tmp_path / "a.png", scene(1)))
    empty, read = parse_json_lines(done.stdout)
    assert empty == {"file": "", "error": "the name is empty"}
    assert "letter" in read
    assert done.returncode == 1


def test_standard_input_without_lines_is_refused_before_it_fills_the_memory(
    tiny_folder: Path, tmp_path: Path
) -> None:
    with (tmp_path / "names").open("wb") as names:
        names.truncate(1 << 40)
    with (tmp_path / "names").open("rb") as names:
        done = asl_edge("predict", "--model", tiny_folder, "-", stdin=names)
    assert "a line of more than 4096 bytes" in read_refusal(done)


def test_mqtt_user_that_is_no_text_is_refused_in_one_sentence(tiny_folder: Path) -> None:
    user = os.fsdecode(b"anna\xff")
    camera = ("--camera", "synthetic:A", "--output", "none", "--model", tiny_folder)
    done = asl_edge("run", *camera, "--mqtt", "mqtt://127.0.0.1:1", "--mqtt-user", user)
    assert "mqtt.user must be text in UTF-8" in read_refusal(done)


def test_closed_standard_input_is_reported_in_one_sentence(tiny_folder: Path) -> None:
    command = " ".join([*ASL_EDGE, "predict", "--model", str(tiny_folder), "-", "<&-"])
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert "standard input can't be read" in read_refusal(done)


def test_predict_ends_quietly_when_its_output_is_closed(tiny_folder: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", scene(1))
    with start_asl_edge("predict", "--model", tiny_folder, *[picture] * 300) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(60) == 0


def test_predict_needs_neither_torch_nor_200_megabytes(tiny_folder: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", scene(1, 480, 640))
    code = (
        "import re, sys; from edge.commands.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(sorted({'torch', 'tomllib', 'train', 'export'} & set(sys.modules)), file=sys.stderr)\n"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "predict", "--model", str(tiny_folder), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    loaded, peak_kb = done.stderr.splitlines()
    assert (done.returncode, loaded) == (0, "[]")
    assert int(peak_kb) < 200_000


@pytest.mark.slow
def test_torchscript_variant_reads_the_same_letter(tiny_folder: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", scene(1))
    done = asl_edge("predict", "--model", tiny_folder, "--variant", "dynamic", picture)
    assert done.returncode == 0
    assert done.stderr.startswith(
        "asl-edge: the variant dynamic is TorchScript, a program that can read and "
    )
    assert done.stderr.count("\n") == 1
    assert parse_json_lines(done.stdout)[0]["letter"] == "F"


def test_run_reads_a_recording_and_prints_a_summary(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi")
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{video}", "--no-skip-still-frames")
    assert done.returncode == 0
    (event,) = parse_json_lines(done.stdout)
    assert (event["letter"], event["text"], event["t_start"], event["t_end"]) == ("F", "F", 0.0, 0.5)
    assert done.stderr == f"asl-edge: {N_FRAMES} frames read, 0 dropped, 1 letters\n"


def test_run_reads_a_truncated_video_to_its_end_and_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    data = write_video(tmp_path / "v.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{tmp_path / 'cut.avi'}")
    assert done.returncode == 0
    assert [line.startswith("asl-edge: ") for line in done.stderr.splitlines()] == [True, True]
    assert " s: it is truncated" in done.stderr


def test_run_takes_settings_from_a_file_and_flags_override_them(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi")
    config = tmp_path / "settings.toml"
    config.write_text(
        f'[camera]\nsource = "replay:{video}"\n[model]\nfolder = "{tiny_folder}"\n[letters]\nhold_s = 9.0\n'
    )
    assert asl_edge("run", "--config", config).stdout == ""
    assert parse_json_lines(asl_edge("run", "--config", config, "--hold-s", "1").stdout)[0]["t_end"] == 1.0


def test_old_flags_work_and_their_warnings_name_the_new_ones(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi")
    old = ["--no-rest-when-still", "--gap-s", "0.3", "--engine", "torchscript"]
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{video}", *old)
    assert done.returncode == 0
    assert parse_json_lines(done.stdout)[0]["letter"] == "F"
    *warnings, torchscript, summary = done.stderr.splitlines()
    assert "TorchScript" in torchscript
    assert [line.split(";")[0] for line in warnings] == [
        "asl-edge: --rest-when-still is now --skip-still-frames",
        "asl-edge: --engine is now --variant",
        "asl-edge: --gap-s is now --release-s",
    ]
    assert " frames read, " in summary
    assert "--gap-s" not in asl_edge("run", "--help").stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_run_cleanly(tiny_folder: Path, number: signal.Signals) -> None:
    camera = "synthetic:" + "ABCDEFGHIKLMNOPQRSTUVWXY" * 4
    with start_asl_edge("run", "--model", tiny_folder, "--camera", camera, "--fps", "10") as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert json.loads(program.stdout.readline())["letter"] == "F"
        program.send_signal(number)
        assert program.wait(60) == 0
        assert " frames read, " in program.stderr.read()


def test_run_ends_quietly_when_its_output_is_closed(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi")
    with start_asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{video}") as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.wait(60) == 0
        assert program.stderr.read() == "asl-edge: 6 frames read, 0 dropped, 1 letters\n"


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ("usb:97", "there is no camera /dev/video97"),
        ("replay:absent.mp4", "there is no folder or video absent.mp4"),
        ("replay:.", ". holds no pictures to replay"),
        ("webcam", "there is no camera 'webcam'"),
        ("synthetic:H3LLO", "must have letters from A to Z, e.g. synthetic:HELLO, got 'H3LLO'"),
    ],
)
def test_camera_that_cannot_be_opened_is_reported_in_one_sentence(
    tiny_folder: Path, tmp_path: Path, camera: str, message: str
) -> None:
    assert message in read_refusal(asl_edge("run", "--model", tiny_folder, "--camera", camera, cwd=tmp_path))


def test_wrong_setting_is_reported_in_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[letters]\nhold = 1\n")
    sentence = read_refusal(asl_edge("run", "--config", config))
    assert f"{config} line 2: there is no setting 'hold' in [letters]; did you mean 'hold_s'?" in sentence


def test_broken_package_is_refused_before_the_camera_is_opened(tiny_folder: Path, tmp_path: Path) -> None:
    package = shutil.copytree(tiny_folder, tmp_path / "package")
    with (package / "tiny.int8.onnx").open("ab") as file:
        file.write(b"!")
    done = asl_edge("run", "--model", package, "--camera", "usb:97")
    assert "tiny.int8.onnx has " in read_refusal(done)


@pytest.mark.parametrize("command", [["predict", "a.png"], ["run"], ["demo", "F"]])
def test_folder_without_a_package_is_reported_in_one_sentence(tmp_path: Path, command: list[str]) -> None:
    assert "is no deployment package" in read_refusal(asl_edge(*command, "--model", tmp_path))


@pytest.mark.parametrize("command", [["predict"], ["demo", "F", "--model"], ["doctor", "--model"]])
def test_full_output_is_reported_in_one_sentence(
    tiny_folder: Path, tmp_path: Path, command: list[str]
) -> None:
    """Commands that write letters also report that the sink of letters failed."""
    save(tmp_path / "one.png", scene(1))
    arguments = [tmp_path / "one.png", "--model", tiny_folder] if command == ["predict"] else [tiny_folder]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*ASL_EDGE, *command, *map(str, arguments)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    *before, last = done.stderr.splitlines()
    assert last == "asl-edge: standard output can't be written: no space left on device"
    assert [line for line in before if "<stdout> can't be written" not in line] == []


def run_with_closed_streams(
    tiny_folder: Path, folder: Path, command: str, closed: str
) -> subprocess.CompletedProcess[str]:
    save(folder / "one.png", scene(1))
    source = ["one.png"] if command == "predict" else ["--camera", "replay:.", "--log-level", "warning"]
    line = f"exec {shlex.join([*ASL_EDGE, command, *source, '--model', str(tiny_folder)])} {closed}"
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd=folder
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_output_is_no_error_if_nothing_is_written(
    tiny_folder: Path, tmp_path: Path, closed: str
) -> None:
    done = run_with_closed_streams(tiny_folder, tmp_path, "run", closed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("closed", "sentence"),
    [
        (">&-", "asl-edge: standard output can't be written: it is closed\n"),
        ("<&- >&-", "asl-edge: standard output can't be written: it is closed\n"),
        (">&- 2>&-", ""),
    ],
)
def test_letters_that_cant_be_written_are_an_error(
    tiny_folder: Path, tmp_path: Path, closed: str, sentence: str
) -> None:
    done = run_with_closed_streams(tiny_folder, tmp_path, "predict", closed)
    assert (done.returncode, done.stderr) == (2, sentence)


def test_standard_error_may_be_closed(tiny_folder: Path, tmp_path: Path) -> None:
    done = run_with_closed_streams(tiny_folder, tmp_path, "predict", "2>&-")
    assert (done.returncode, len(parse_json_lines(done.stdout))) == (0, 1)


def test_help_ends_quietly_when_its_output_is_closed() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as nobody:
        done = subprocess.run(
            [*ASL_EDGE, "run", "--help"], stdout=nobody, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_demo_succeeds_only_if_the_text_is_the_word(tiny_folder: Path, tmp_path: Path) -> None:
    right = asl_edge("demo", "--model", tiny_folder, "f")
    assert (right.returncode, right.stderr) == (0, "")
    event, text = right.stdout.splitlines()
    assert (json.loads(event)["text"], text) == ("F", "F")
    # the demo ignores the orientation of a live camera
    (tmp_path / "rotated.toml").write_text("[camera]\nhflip = true\nrotation_deg = 90\n")
    rotated = asl_edge("demo", "--model", tiny_folder, "--config", tmp_path / "rotated.toml", "f")
    assert (rotated.returncode, rotated.stdout) == (0, right.stdout)
    wrong = asl_edge("demo", "--model", tiny_folder, "Hi")
    assert (wrong.returncode, wrong.stderr) == (1, "asl-edge: the word was HI\n")
    assert wrong.stdout.splitlines()[-1] == "F"


@pytest.mark.parametrize("word", ["", "TWO WORDS", "H3LLO", "ÉTÉ"])
def test_demo_without_a_word_is_reported_in_one_sentence(word: str) -> None:
    assert "demo spells one word of the letters A to Z" in read_refusal(asl_edge("demo", word))


def test_doctor_exits_with_1_if_something_is_bad(tiny_folder: Path, tmp_path: Path) -> None:
    assert asl_edge("doctor", "--model", tiny_folder).returncode == 0
    done = asl_edge("doctor", "--model", tmp_path)
    assert done.returncode == 1
    assert "BAD" in done.stdout


def test_nothing_is_written_into_the_home_folder(tiny_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    picture = save(tmp_path / "pictures" / "a.png", scene(1))
    environment = {**ENVIRONMENT, "HOME": str(home)}
    for command in (["predict", picture], ["run", "--camera", f"replay:{picture.parent}"]):
        done = asl_edge(command[0], "--model", tiny_folder, *command[1:], env=environment, cwd=home)
        assert done.returncode == 0
    assert list(home.rglob("*")) == []


def test_nothing_is_written_if_a_program_imports_the_engine(tiny_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from edge.engines.onnx import OnnxEngine; from edge.engines.golden import check_golden\n"
        "from edge.package import open_package; from pathlib import Path\n"
        "package = open_package(Path(sys.argv[1]))\n"
        "check_golden(OnnxEngine(package), package, 'int8')"
    )
    command = [sys.executable, "-c", code, str(tiny_folder)]
    environment = {**ENVIRONMENT, "HOME": str(tmp_path)}
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_opencv_and_ffmpeg_print_nothing_besides_our_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(cv2.imencode(".jpg", scene(1))[1].tobytes()[:60])
    sentence = read_refusal(
        asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{tmp_path / 'broken.mp4'}")
    )
    assert "OpenCV can't read" in sentence
