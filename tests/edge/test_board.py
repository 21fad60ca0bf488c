"""The sensors of boards, as their kernels show them. Folders of the tests stand for /sys and /proc."""

from pathlib import Path

import pytest

from edge.system.board import BoardReading, describe_throttling, read_board
from edge.system.machine import describe, parse_features
from edge.system.sysfs import read_text

PI_4 = {
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "81300\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1000000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1500000\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "e0008\n",
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor : 0\nFeatures : fp asimd crc32\nCPU part : 0xd08\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
}
ORIN = {
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "52125\n",
    "sys/class/thermal/thermal_zone1/type": "cv0-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "-256000\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device0/cur_state": "3\n",
    "sys/class/thermal/cooling_device1/type": "cpu-throttle-alert\n",
    "sys/class/thermal/cooling_device1/cur_state": "1\n",
    "sys/class/hwmon/hwmon4/oc3_event_cnt": "7\n",
}


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_text_cut_inside_a_character_is_read(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes("摄像头".encode()[:-1] + b"\n")  # so the kernel cuts a name
    assert read_text(tmp_path / "name") == "摄像\N{REPLACEMENT CHARACTER}"
    assert read_text(tmp_path / "absent") == ""


def test_sensors_of_a_raspberry_pi(tmp_path: Path) -> None:
    reading = read_board(2.0, write_files(tmp_path, PI_4))
    assert (reading.temperature_c, reading.clock_mhz, reading.clock_limit_mhz) == (81.3, 1000, 1500)
    assert reading.slowed == ("soft temperature limit",)  # the current state, not the one since the boot


def test_sensors_of_a_jetson(tmp_path: Path) -> None:
    reading = read_board(2.0, write_files(tmp_path, ORIN))
    assert reading.temperature_c == 52.125
    assert reading.slowed == ("throttled (cpu-throttle-alert)",)  # not the fan
    assert reading.counts == (7,)


def test_machine_without_sensors_has_no_values(tmp_path: Path) -> None:
    reading = read_board(0.0, tmp_path)
    assert reading == BoardReading(0.0, None, None, None, (), ())
    assert describe_throttling([reading]) == describe_throttling([]) == []


def test_throttling_is_described_in_words() -> None:
    cool = BoardReading(0.0, 60.0, 1500.0, 1500.0, (), (2,))
    hot = BoardReading(2.0, 85.0, 1000.0, 1200.0, ("throttled",), (5,))
    assert describe_throttling([cool, hot, hot]) == [
        "throttled in 2 of 3 readings",
        "3 throttle events counted",
        "the clock's limit fell from 1500 to 1200 MHz",
    ]


def test_machine_is_described_from_its_kernels_files(tmp_path: Path) -> None:
    machine = describe(write_files(tmp_path, PI_4))
    assert (machine["board"], machine["cpu"]) == ("Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72")
    assert (machine["features"], machine["os"]) == ([], "Debian GNU/Linux 12 (bookworm)")


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("Features\t: fp asimd asimddp asimdhp", ["dot product", "fp16"]),
        ("flags\t\t: sse4_2 avx2 avx512f avx512_vnni avx_vnni", ["AVX2", "AVX-512", "VNNI"]),
        ("flags\t\t: avx2", ["AVX2"]),
        ("", []),
    ],
)
def test_features_that_make_8_bit_products_fast_are_listed(line: str, has: list[str]) -> None:
    assert parse_features(line) == has
