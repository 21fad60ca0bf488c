"""Inside the emulated machine: the whole program on the kernel's virtual camera: refused, stopped, blind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from camera_faults import DEVICE, SLOW_S, control, make_camera, plug, seconds_until, tell


def asl_edge(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "edge", *arguments, "--camera", f"usb:{DEVICE}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def reads(program: "subprocess.Popen[str]") -> bool:
    """Waits until it has had the camera open for a while."""
    fds = Path(f"/proc/{program.pid}/fd")
    opened_s = seconds_until(
        lambda: program.poll() is not None or any(os.path.realpath(fd) == DEVICE for fd in fds.iterdir())
    )
    time.sleep(10)
    return opened_s >= 0 and program.poll() is None


def started(*arguments: str) -> "subprocess.Popen[str]":
    """One that reads; started again, as systemd does, where this machine is too slow for a deadline."""
    for _ in range(4):
        program = asl_edge(*arguments)
        if reads(program):
            break
    return program


def main() -> None:
    make_camera()
    for _ in range(4):
        doctor = asl_edge("doctor", "--fps", "1")
        said, why = doctor.communicate(timeout=SLOW_S)
        if "has delivered no picture" not in why:
            break
    tell("doctor", code=doctor.returncode, said=said, why=why)

    holder = subprocess.Popen(
        ["v4l2-ctl", "-d", DEVICE, "--stream-mmap"], stdout=2, stderr=subprocess.DEVNULL
    )
    time.sleep(3)
    refused = asl_edge("doctor")
    _, why = refused.communicate(timeout=SLOW_S)
    holder.kill()
    holder.wait()
    tell("camera held by another program", code=refused.returncode, why=why)

    program = started("run")
    read = program.poll() is None
    control(percentage_of_dropped_buffers=100)
    time.sleep(3)
    told_s = time.monotonic()
    program.send_signal(signal.SIGTERM)
    _, why = program.communicate(timeout=SLOW_S)
    control(percentage_of_dropped_buffers=0)
    tell(
        "SIGTERM while stalled",
        read=read,
        ended_s=time.monotonic() - told_s,
        code=program.returncode,
        why=why,
    )

    program = started("run")
    read = program.poll() is None
    plug("out")
    unplugged_s = time.monotonic()
    _, why = program.communicate(timeout=400)
    tell(
        "unplugged for good",
        read=read,
        ended_s=time.monotonic() - unplugged_s,
        code=program.returncode,
        why=why,
    )


main()
