"""Which machine this is: what a latency card says of it."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from edge.system.sysfs import text_of

ROOT = Path("/")
# Arm's part numbers (MIDR), as /proc/cpuinfo gives them on the boards that asl-edge runs on
CORES = {
    "0xd03": "Cortex-A53",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
}
# what makes 8-bit products fast, by the name that Linux gives it
FEATURES = {
    "asimddp": "dot product",
    "i8mm": "int8 matrices",
    "asimdhp": "fp16",
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx_vnni": "VNNI",
    "avx512_vnni": "VNNI",
    "amx_int8": "AMX int8",
}
LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless")


def describe(root: Path = ROOT) -> dict[str, Any]:
    """name, board, cpu, cores, features, memory_mb, os, kernel, architecture, python, libraries."""
    info = text_of(root / "proc/cpuinfo")
    return {
        "name": platform.node(),
        "board": text_of(root / "proc/device-tree/model") or _product(root),
        "cpu": _cpu(info),
        "cores": len(os.sched_getaffinity(0)),
        "features": features(info),
        "memory_mb": _memory_mb(text_of(root / "proc/meminfo")),
        "os": _value(text_of(root / "etc/os-release"), "PRETTY_NAME", "=").strip('"') or platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def features(cpuinfo: str) -> list[str]:
    """/proc/cpuinfo -> those of FEATURES that the processor has."""
    has = set((_value(cpuinfo, "flags") or _value(cpuinfo, "Features")).split())
    return list(dict.fromkeys(word for name, word in FEATURES.items() if name in has))


def _cpu(cpuinfo: str) -> str:
    part = _value(cpuinfo, "CPU part")
    return _value(cpuinfo, "model name") or CORES.get(part, part) or platform.machine()


def _product(root: Path) -> str:
    """Of a machine without a device tree, as its maker wrote it."""
    folder = root / "sys/class/dmi/id"
    return " ".join(filter(None, (text_of(folder / name) for name in ("sys_vendor", "product_name"))))


def _memory_mb(meminfo: str) -> int:
    return int((_value(meminfo, "MemTotal") or "0").split()[0]) // 1024


def _value(text: str, key: str, separator: str = ":") -> str:
    for line in text.splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip()
    return ""


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:  # Debian's and JetPack's own have other names
        return "unknown"
