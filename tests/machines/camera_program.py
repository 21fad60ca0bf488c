"""Runs in the emulated machine: the whole program with the kernel's virtual camera and its faults."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from camera_faults import DEVICE, SLOW_S, control, make_camera, plug, report, wait_until


def asl_edge(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "edge", *arguments, "--camera", f"usb:{DEVICE}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def opens_camera(program: "subprocess.Popen[str]") -> bool:
    """Wait until the program has had the camera open for 10 s; return whether it still runs."""
    fds = Path(f"/proc/{program.pid}/fd")
    opened_s = wait_until(
        lambda: program.poll() is not None or any(os.path.realpath(fd) == DEVICE for fd in fds.iterdir())
    )
    time.sleep(10)
    return opened_s >= 0 and program.poll() is None


def start_reading(*arguments: str) -> "subprocess.Popen[str]":
    """Start the program until it reads the camera: this machine may be too slow for its first picture."""
    for _ in range(4):
        program = asl_edge(*arguments)
        if opens_camera(program):
            break
    return program


def main() -> None:
    make_camera()
    for _ in range(4):
        doctor = asl_edge("doctor", "--fps", "1")
        output, error = doctor.communicate(timeout=SLOW_S)
        if "has delivered no picture" not in error:
            break
    report("doctor", code=doctor.returncode, output=output, error=error)

    holder = subprocess.Popen(
        ["v4l2-ctl", "-d", DEVICE, "--stream-mmap"], stdout=2, stderr=subprocess.DEVNULL
    )
    time.sleep(3)
    doctor = asl_edge("doctor")
    _, error = doctor.communicate(timeout=SLOW_S)
    holder.kill()
    holder.wait()
    report("camera held by another program", code=doctor.returncode, error=error)

    program = start_reading("run")
    read = program.poll() is None
    control(percentage_of_dropped_buffers=100)
    time.sleep(3)
    stopped_t = time.monotonic()
    program.send_signal(signal.SIGTERM)
    _, error = program.communicate(timeout=SLOW_S)
    ended_s = time.monotonic() - stopped_t
    control(percentage_of_dropped_buffers=0)
    report("SIGTERM while stalled", read=read, ended_s=ended_s, code=program.returncode, error=error)

    program = start_reading("run")
    read = program.poll() is None
    plug("out")
    unplugged_t = time.monotonic()
    _, error = program.communicate(timeout=400)
    ended_s = time.monotonic() - unplugged_t
    report("unplugged for good", read=read, ended_s=ended_s, code=program.returncode, error=error)


main()
