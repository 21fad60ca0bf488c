"""Describe this machine for a latency card."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from edge.system.sysfs import read_text

ROOT = Path("/")
# Arm's part numbers (MIDR) in /proc/cpuinfo, of the boards that asl-edge runs on
CORES = {
    "0xd03": "Cortex-A53",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
}
# processor features that make 8-bit products fast, by Linux's names
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
    """Return name, board, cpu, cores, features, memory_mb, os, kernel, architecture, python and libraries."""
    info = read_text(root / "proc/cpuinfo")
    return {
        "name": platform.node(),
        "board": read_text(root / "proc/device-tree/model") or _product(root),
        "cpu": _cpu(info),
        "cores": len(os.sched_getaffinity(0)),
        "features": parse_features(info),
        "memory_mb": _memory_mb(read_text(root / "proc/meminfo")),
        "os": _value(read_text(root / "etc/os-release"), "PRETTY_NAME", "=").strip('"') or platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def parse_features(cpuinfo: str) -> list[str]:
    """Return the FEATURES that the text of /proc/cpuinfo lists."""
    flags = set((_value(cpuinfo, "flags") or _value(cpuinfo, "Features")).split())
    return list(dict.fromkeys(word for name, word in FEATURES.items() if name in flags))


def _cpu(cpuinfo: str) -> str:
    part = _value(cpuinfo, "CPU part")
    return _value(cpuinfo, "model name") or CORES.get(part, part) or platform.machine()


def _product(root: Path) -> str:
    """Return the maker's name for a machine without a device tree."""
    folder = root / "sys/class/dmi/id"
    return " ".join(filter(None, (read_text(folder / name) for name in ("sys_vendor", "product_name"))))


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
    except importlib.metadata.PackageNotFoundError:  # Debian's and JetPack's own packages have other names
        return "unknown"
