"""The board's own instruments: temperature, clock, whether it was throttled. What it does not have is None.

/sys/class/thermal                 temperature; its cooling devices slow processors down (every Linux)
/sys/devices/system/cpu/*/cpufreq  clock, and the highest one that is allowed now
get_throttled                      a Raspberry Pi's firmware, as a file or through vcgencmd
/sys/class/hwmon/*/oc*_event_cnt   a Jetson Orin's count of times that it drew too much current
cpu/*/thermal_throttle             an Intel processor's count of times that it was too hot
"""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.system.sysfs import text_of

ROOT = Path("/")
# raspberrypi.com/documentation, vcgencmd get_throttled: the bits of now; those since boot are 16 higher
FIRMWARE = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
FIRMWARE_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
THERMAL = Path("/sys/class/thermal")
PROCESSOR = re.compile(r"cpu|soc|x86_pkg|tj", re.IGNORECASE)  # names of thermal zones
SLOWS = re.compile(
    r"cpu|processor|throttle", re.IGNORECASE
)  # of cooling devices that slow a processor; no fans


@dataclass(frozen=True)
class Reading:
    """One look at the instruments."""

    t_s: float
    temperature_c: float | None
    clock_mhz: float | None
    clock_limit_mhz: float | None  # what the kernel allows now
    slowed: tuple[str, ...]  # why the board holds itself back at this moment, in words
    counts: tuple[int, ...]  # counters that only grow when it does


def read_board(t_s: float, root: Path = ROOT, ask_firmware: bool = True) -> Reading:
    """All instruments. `ask_firmware`: may start vcgencmd, where the kernel has no file of it."""
    cpus = root / "sys/devices/system/cpu"
    return Reading(
        t_s,
        temperature_c(root / "sys/class/thermal"),
        _mhz(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")),
        _mhz(cpus.glob("cpu[0-9]*/cpufreq/scaling_max_freq")),
        (*_firmware(root, ask_firmware), *_cooling(root / "sys/class/thermal")),
        (
            *_numbers(sorted(cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))),
            *_numbers(sorted((root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt"))),
        ),
    )


def said_of(readings: list[Reading]) -> list[str]:
    """How the board held itself back from the first reading to the last, in words; [] where it did not."""
    words: dict[str, int] = {}
    for reading in readings:
        for word in reading.slowed:
            words[word] = words.get(word, 0) + 1
    said = [f"{word} in {n} of {len(readings)} readings" for word, n in words.items()]
    if readings and (more := sum(readings[-1].counts) - sum(readings[0].counts)) > 0:
        said.append(f"{more} throttle events counted")
    limits = [reading.clock_limit_mhz for reading in readings if reading.clock_limit_mhz]
    if limits and min(limits) < limits[0]:
        said.append(f"the clock's limit fell from {limits[0]:.0f} to {min(limits):.0f} MHz")
    return said


def temperature_c(thermal: Path = THERMAL) -> float | None:
    """The hottest zone of the processor; of any where none has its name."""
    zones = []
    for zone in sorted(thermal.glob("thermal_zone*")):
        for value in _numbers([zone / "temp"]):
            if value > 0:  # a Jetson's zones without power say -256000
                zones.append((bool(PROCESSOR.search(text_of(zone / "type"))), value / 1000))
    return max(zones)[1] if zones else None


def _cooling(thermal: Path) -> list[str]:
    """Cooling devices that slow a processor down right now."""
    return [
        f"throttled ({name})"
        for device in sorted(thermal.glob("cooling_device*"))
        if SLOWS.search(name := text_of(device / "type"))
        and any(state > 0 for state in _numbers([device / "cur_state"]))
    ]


def _firmware(root: Path, ask: bool) -> list[str]:
    text = text_of(root / FIRMWARE_FILE)
    if not text and ask and root == ROOT:
        try:
            done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2)
            text = done.stdout.strip().removeprefix("throttled=")
        except (OSError, subprocess.SubprocessError):  # no Raspberry Pi
            return []
    try:
        bits = int(text, 16)
    except ValueError:
        return []
    return [word for bit, word in FIRMWARE.items() if bits >> bit & 1]


def _mhz(files: Iterable[Path]) -> float | None:
    values = _numbers(files)
    return max(values) / 1000 if values else None


def _numbers(files: Iterable[Path]) -> list[int]:
    values = []
    for file in files:
        try:
            values.append(int(text_of(file)))
        except ValueError:
            continue
    return values
