"""Runs in the emulated machine: faults of the kernel's virtual camera while edge.cameras reads it.

Prints the measurements as JSON lines, which tests/machines/test_camera_machine.py checks.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.cameras import open_camera
from edge.records import CameraState

DEVICE = "/dev/video0"
DRIVER = Path("/sys/bus/platform/drivers/vivid")
STEADY_S = 12.0  # between two faults: longer than Timeouts.steady_s, so that pauses are short again
SLOW_S = 300.0  # timeout for a slow emulated machine


class Loop(threading.Thread):
    """A frame loop like that of edge/pipeline.py, which records its steps and frames."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.frames, self.newest_t, self.longest_step_s, self.backwards = 0, 0.0, 0.0, 0
        self.rgb: list[int] = []
        self.state: CameraState | None = None

    def run(self) -> None:
        with open_camera(f"usb:{DEVICE}", 30.0, self.stop) as camera:
            step_t = time.monotonic()
            for frame in camera:
                now = time.monotonic()
                self.longest_step_s = max(self.longest_step_s, now - step_t)
                step_t = now
                self.state = camera.state()
                if frame is not None:
                    self.backwards += frame.t <= self.newest_t
                    self.frames, self.newest_t = self.frames + 1, frame.t
                    height, width = frame.image.shape[:2]
                    self.rgb = frame.image[height // 2, width // 2].tolist()

    def wait_for(self, *statuses: str) -> float:
        """Wait until the camera has one of these statuses; return the seconds, -1 after SLOW_S."""
        return wait_until(lambda: self.state is not None and self.state.status in statuses)

    def wait_for_picture(self) -> float:
        """Wait for a picture that was captured after this call; return the seconds, -1 after SLOW_S."""
        called_t = time.monotonic()
        return wait_until(lambda: self.newest_t > called_t and self.wait_for("live", "black", "frozen") >= 0)


def wait_until(condition: Callable[[], bool]) -> float:
    """Wait until the condition is true; return the seconds, -1 after SLOW_S."""
    began_t = time.monotonic()
    while not condition():
        if time.monotonic() - began_t > SLOW_S:
            return -1.0
        time.sleep(0.02)
    return time.monotonic() - began_t


def report(fault: str, **values: object) -> None:
    rounded = {key: round(value, 2) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"fault": fault, **rounded}), flush=True)


def control(**values: int) -> None:
    pairs = ",".join(f"{key}={value}" for key, value in values.items())
    subprocess.run(["v4l2-ctl", "-d", DEVICE, "-c", pairs], check=True, stdout=sys.stderr)


def plug(in_or_out: str) -> None:
    (DRIVER / ("bind" if in_or_out == "in" else "unbind")).write_text("vivid.0")


def pattern(name: str) -> int:
    """Return vivid's number of a test pattern."""
    menu = subprocess.run(["v4l2-ctl", "-d", DEVICE, "-L"], check=True, capture_output=True, text=True).stdout
    lines = menu[menu.index(" test_pattern ") :].splitlines()
    return next(int(line.split(":")[0]) for line in lines if line.strip().endswith(f": {name}"))


def inject_faults(loop: Loop) -> None:
    report("first picture", seconds=loop.wait_for_picture(), state=loop.state.status if loop.state else "")
    frames, began_t = loop.frames, time.monotonic()
    time.sleep(5)
    report("steady", frames_per_s=(loop.frames - frames) / (time.monotonic() - began_t))

    control(test_pattern=pattern("100% Red"), osd_text_mode=2)
    noticed_s = loop.wait_for("frozen")
    report("red card", rgb=loop.rgb)
    control(osd_text_mode=0)  # show the time in the picture again, so that pictures differ
    report("the same picture again and again", noticed_s=noticed_s, recovered_s=loop.wait_for("live"))
    control(test_pattern=pattern("100% Black"), osd_text_mode=2)
    noticed_s = loop.wait_for("black")
    control(test_pattern=0, osd_text_mode=0)
    report("black pictures", noticed_s=noticed_s, recovered_s=loop.wait_for("live"))

    reopened = loop.state.reopened if loop.state else -1
    wall_s = time.time()
    for jump_s in (86400, -2 * 86400):
        time.clock_settime(time.CLOCK_REALTIME, wall_s + jump_s)
        time.sleep(3)
    time.clock_settime(time.CLOCK_REALTIME, wall_s)
    reopenings = (loop.state.reopened if loop.state else -1) - reopened
    report("clock set a day forward, then back", recovered_s=loop.wait_for_picture(), reopenings=reopenings)

    for seconds in (3, 40):
        time.sleep(STEADY_S)
        plug("out")
        noticed_s = loop.wait_for("blind")
        time.sleep(seconds)
        plug("in")
        report(f"unplugged for {seconds} s", noticed_s=noticed_s, recovered_s=loop.wait_for_picture())
    for seconds in (8, 40):
        time.sleep(STEADY_S)
        control(percentage_of_dropped_buffers=100)
        noticed_s = loop.wait_for("blind")
        time.sleep(seconds)
        control(percentage_of_dropped_buffers=0)
        report(f"stalled for {seconds} s", noticed_s=noticed_s, recovered_s=loop.wait_for_picture())
    for button in ("inject_fatal_streaming_error", "disconnect"):
        time.sleep(STEADY_S)
        control(**{button: 1})
        noticed_s = loop.wait_for("blind")
        report(button, noticed_s=noticed_s, recovered_s=loop.wait_for_picture())
    report("all of these", longest_step_s=loop.longest_step_s, times_back=loop.backwards, frames=loop.frames)


def make_camera() -> None:
    vivid = ["vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0"]  # one webcam
    subprocess.run(["modprobe", *vivid], check=True)
    wait_until(Path(DEVICE).exists)


def stop_while_stalled(loop: Loop) -> None:
    control(percentage_of_dropped_buffers=100)
    noticed_s = loop.wait_for("blind")
    time.sleep(4)  # it is reopened, and its thread blocks in read()
    loop.stop.set()
    stopped_t = time.monotonic()
    loop.join(SLOW_S)
    report("stop while stalled", noticed_s=noticed_s, ended_s=time.monotonic() - stopped_t)
    control(percentage_of_dropped_buffers=0)


def main() -> None:
    make_camera()
    loop = Loop()
    loop.start()
    inject_faults(loop)
    stop_while_stalled(loop)


if __name__ == "__main__":
    main()
