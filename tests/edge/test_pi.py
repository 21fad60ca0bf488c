"""The parts of the Raspberry Pi's driver that need no libcamera."""

import subprocess
import sys
import time

import pytest

from edge.cameras.pi import capture_time_s


def boot_ns(seconds_ago: float = 0.0) -> int:
    """Return a time on CLOCK_BOOTTIME, as libcamera stamps its pictures."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(seconds_ago * 1e9)


def test_capture_time_is_on_the_monotonic_clock() -> None:
    t = capture_time_s(boot_ns(seconds_ago=0.05))
    assert 0.05 <= time.monotonic() - t < 1.0


def test_capture_time_is_right_after_a_suspend() -> None:
    # CLOCK_BOOTTIME is ahead by the time of every suspend, but a picture has the same age on both clocks
    assert capture_time_s(boot_ns(1.0)) == pytest.approx(time.monotonic() - 1.0, abs=0.5)


@pytest.mark.parametrize("wrong_ns", [None, 0, -5, 2**62])  # 2**62 ns: 146 years after boot
def test_implausible_capture_time_is_replaced_by_the_present(wrong_ns: int | None) -> None:
    before_t = time.monotonic()
    assert before_t <= capture_time_s(wrong_ns) <= time.monotonic()


def test_error_for_missing_picamera2_names_the_package_and_the_environment() -> None:
    code = (
        "import sys; sys.modules['picamera2'] = None  # its import fails, as if it weren't installed\n"
        "from edge.commands.cli import main; sys.exit(main(['doctor', '--camera', 'pi']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sudo apt install python3-picamera2" in done.stderr
    assert "--system-site-packages" in done.stderr
    assert done.stderr.count("\n") == 1
