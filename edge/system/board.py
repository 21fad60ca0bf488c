"""Read the board's sensors: temperature, clock, throttling. A sensor that the board lacks is None.

/sys/class/thermal                 temperature, and cooling devices that slow the processor (every Linux)
/sys/devices/system/cpu/*/cpufreq  clock, and its current limit
get_throttled                      a Raspberry Pi's firmware, as a file or through vcgencmd
/sys/class/hwmon/*/oc*_event_cnt   a Jetson Orin's number of over-current events
cpu/*/thermal_throttle             an Intel processor's number of over-temperature events
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.system.sysfs import read_text

ROOT = Path("/")
# the bits for the current state (raspberrypi.com/documentation, vcgencmd get_throttled)
FIRMWARE_BITS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
FIRMWARE_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
THERMAL = Path("/sys/class/thermal")
PROCESSOR = re.compile(r"cpu|soc|x86_pkg|tj", re.IGNORECASE)  # names of thermal zones
# names of cooling devices that slow the processor, unlike a fan
SLOWS_PROCESSOR = re.compile(r"cpu|processor|throttle", re.IGNORECASE)


@dataclass(frozen=True)
class BoardReading:
    """The state of the sensors at one moment."""

    t_s: float
    temperature_c: float | None
    clock_mhz: float | None
    clock_limit_mhz: float | None  # the highest clock that the kernel allows at this moment
    slowed: tuple[str, ...]  # why the board is slowed at this moment, in words
    counts: tuple[int, ...]  # counters of slowdowns since the boot


def read_board(t_s: float, root: Path = ROOT, ask_firmware: bool = True) -> BoardReading:
    """Read every sensor. `ask_firmware` allows vcgencmd to be started if the kernel has no file for it."""
    cpus = root / "sys/devices/system/cpu"
    return BoardReading(
        t_s,
        read_temperature_c(root / "sys/class/thermal"),
        _mhz(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")),
        _mhz(cpus.glob("cpu[0-9]*/cpufreq/scaling_max_freq")),
        (*_firmware(root, ask_firmware), *_cooling(root / "sys/class/thermal")),
        (
            *_numbers(sorted(cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))),
            *_numbers(sorted((root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt"))),
        ),
    )


def describe_throttling(readings: list[BoardReading]) -> list[str]:
    """Return how the board was slowed from the first reading to the last, in words; [] if it was not."""
    counts = Counter(reason for reading in readings for reason in reading.slowed)
    lines = [f"{reason} in {n} of {len(readings)} readings" for reason, n in counts.items()]
    if readings and (more := sum(readings[-1].counts) - sum(readings[0].counts)) > 0:
        lines.append(f"{more} throttle events counted")
    limits = [reading.clock_limit_mhz for reading in readings if reading.clock_limit_mhz]
    if limits and min(limits) < limits[0]:
        lines.append(f"the clock's limit fell from {limits[0]:.0f} to {min(limits):.0f} MHz")
    return lines


def read_temperature_c(thermal: Path = THERMAL) -> float | None:
    """Return the temperature of the processor's hottest zone, or of the hottest zone if none has its name."""
    zones = []
    for zone in sorted(thermal.glob("thermal_zone*")):
        for value in _numbers([zone / "temp"]):
            if value > 0:  # a Jetson's zones without power read -256000
                zones.append((bool(PROCESSOR.search(read_text(zone / "type"))), value / 1000))
    return max(zones)[1] if zones else None


def _cooling(thermal: Path) -> list[str]:
    """Return the cooling devices that slow the processor at this moment."""
    return [
        f"throttled ({name})"
        for device in sorted(thermal.glob("cooling_device*"))
        if SLOWS_PROCESSOR.search(name := read_text(device / "type"))
        and any(state > 0 for state in _numbers([device / "cur_state"]))
    ]


def _firmware(root: Path, ask: bool) -> list[str]:
    text = read_text(root / FIRMWARE_FILE)
    if not text and ask and root == ROOT:
        try:
            done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2)
            text = done.stdout.strip().removeprefix("throttled=")
        except (OSError, subprocess.SubprocessError):  # not a Raspberry Pi
            return []
    try:
        bits = int(text, 16)
    except ValueError:
        return []
    return [word for bit, word in FIRMWARE_BITS.items() if bits >> bit & 1]


def _mhz(files: Iterable[Path]) -> float | None:
    values = _numbers(files)
    return max(values) / 1000 if values else None


def _numbers(files: Iterable[Path]) -> list[int]:
    values = []
    for file in files:
        try:
            values.append(int(read_text(file)))
        except ValueError:
            continue
    return values
