"""The parts of the Pi's driver that work without libcamera."""

import subprocess
import sys
import time

import pytest

from edge.cameras.pi import capture_time_s


def boot_ns(seconds_ago: float = 0.0) -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(seconds_ago * 1e9)


def test_capture_time_is_on_the_monotonic_clock() -> None:
    t = capture_time_s(boot_ns(seconds_ago=0.05))
    assert 0.05 <= time.monotonic() - t < 1.0


def test_suspend_between_boot_and_now_changes_nothing() -> None:
    # the clock that counts through a suspend is ahead by it; an age is the same on both
    assert capture_time_s(boot_ns(1.0)) == pytest.approx(time.monotonic() - 1.0, abs=0.5)


@pytest.mark.parametrize("wrong_ns", [None, 0, -5, 2**62])  # the last: in 146 years
def test_impossible_capture_time_is_replaced_by_now(wrong_ns: int | None) -> None:
    before_s = time.monotonic()
    assert before_s <= capture_time_s(wrong_ns) <= time.monotonic()


def test_missing_picamera2_says_what_to_install_and_how() -> None:
    code = (
        "import sys; sys.modules['picamera2'] = None  # what an import finds where it is not installed\n"
        "from edge.commands.cli import main; sys.exit(main(['doctor', '--camera', 'pi']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sudo apt install python3-picamera2" in done.stderr
    assert "--system-site-packages" in done.stderr
    assert done.stderr.count("\n") == 1
