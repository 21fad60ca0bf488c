"""How warm the board is, as Linux tells it (Documentation/driver-api/thermal/sysfs-api.rst)."""

from pathlib import Path

ZONES = Path("/sys/class/thermal")


def temperature_c(zones: Path = ZONES) -> float | None:
    """The warmest zone, degrees Celsius; None where the kernel tells none."""
    values = []
    for file in zones.glob("thermal_zone*/temp"):
        try:
            values.append(int(file.read_text()) / 1000)
        except (OSError, ValueError):  # a zone that is switched off answers EINVAL or nothing
            continue
    return max(values, default=None)
