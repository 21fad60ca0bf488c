"""`make wheelhouse` takes the pins that fit the board."""

import re
import runpy
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DEVICE = (REPOSITORY / "requirements/device.txt").read_text()
pins_for = runpy.run_path(str(REPOSITORY / "ansible/wheelhouse.py"))["pins_for"]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_package_is_pinned_once_for_every_python(python: str) -> None:
    names = re.findall(r"^([\w-]+)==", pins_for(DEVICE, python, "aarch64", []), re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"numpy", "onnxruntime", "opencv-python-headless"} <= set(names)
    assert ("tomli" in names) == (python == "3.10")


def test_versions_fit_the_boards_python() -> None:
    assert "onnxruntime==1.23.2 " in pins_for(DEVICE, "3.10", "aarch64", [])
    assert "onnxruntime==1.32.0 " in pins_for(DEVICE, "3.13", "aarch64", [])


def test_packages_of_the_system_are_left_out() -> None:
    pins = pins_for(DEVICE, "3.11", "aarch64", ["numpy"])
    assert "numpy==" not in pins
    assert "onnxruntime==" in pins


def test_every_pin_keeps_its_hashes() -> None:
    blocks = re.split(r"\n(?=\S)", pins_for(DEVICE, "3.11", "aarch64", []).strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert not any(block.rstrip().endswith("\\") for block in blocks)


def test_original_nano_gets_the_last_onnxruntime_for_its_glibc() -> None:
    nano = (REPOSITORY / "requirements/nano.txt").read_text()
    assert "onnxruntime==1.28.0 " in pins_for(nano, "3.11", "aarch64", [])


def test_extras_are_added_to_the_boards_own_pins() -> None:
    wheelhouse = runpy.run_path(str(REPOSITORY / "ansible/wheelhouse.py"))
    extras = (REPOSITORY / "requirements/extras.txt").read_text()
    nano = (REPOSITORY / "requirements/nano.txt").read_text()
    more = pins_for(extras, "3.11", "aarch64", wheelhouse["names_in"](nano))
    names = re.findall(r"^([\w-]+)==", more, re.MULTILINE)
    assert {"aiohttp", "paho-mqtt", "prometheus-client"} <= set(names)
    assert not {"numpy", "onnxruntime", "opencv-python-headless"} & set(names)
    assert len(names) == len(set(names))
