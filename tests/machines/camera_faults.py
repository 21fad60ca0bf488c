"""Inside the emulated machine: the camera layer reads the kernel's virtual camera, which is ill-treated.

Prints a JSON object a line; tests/machines/test_camera_machine.py says what they must be.
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
STEADY_S = 12.0  # between two faults, so that each finds a camera that was well for a while
SLOW_S = 300.0  # the machine is emulated: nothing is judged by its speed, but waiting ends some time


class Loop(threading.Thread):
    """The frame loop as edge/pipeline.py has it, that notes when it turned and what it got."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.frames, self.last_s, self.longest_turn_s, self.backwards = 0, 0.0, 0.0, 0
        self.rgb: list[int] = []
        self.state: CameraState | None = None

    def run(self) -> None:
        with open_camera(f"usb:{DEVICE}", 30.0, self.stop) as camera:
            turned_s = time.monotonic()
            for frame in camera:
                now = time.monotonic()
                self.longest_turn_s = max(self.longest_turn_s, now - turned_s)
                turned_s = now
                self.state = camera.state()
                if frame is not None:
                    self.backwards += frame.t <= self.last_s
                    self.frames, self.last_s = self.frames + 1, frame.t
                    height, width = frame.image.shape[:2]
                    self.rgb = frame.image[height // 2, width // 2].tolist()

    def waits_for(self, *whats: str) -> float:
        """Seconds until the camera's state is one of these."""
        return seconds_until(lambda: self.state is not None and self.state.status in whats)

    def sees_again(self) -> float:
        """Seconds until a picture comes that was captured after this call."""
        called_s = time.monotonic()
        return seconds_until(
            lambda: self.last_s > called_s and self.waits_for("live", "black", "frozen") >= 0
        )


def seconds_until(true: Callable[[], bool]) -> float:
    began_s = time.monotonic()
    while not true():
        if time.monotonic() - began_s > SLOW_S:
            return -1.0
        time.sleep(0.02)
    return time.monotonic() - began_s


def tell(fault: str, **facts: object) -> None:
    rounded = {key: round(fact, 2) if isinstance(fact, float) else fact for key, fact in facts.items()}
    print(json.dumps({"fault": fault, **rounded}), flush=True)


def control(**values: int) -> None:
    pairs = ",".join(f"{key}={value}" for key, value in values.items())
    subprocess.run(["v4l2-ctl", "-d", DEVICE, "-c", pairs], check=True, stdout=sys.stderr)


def plug(in_or_out: str) -> None:
    (DRIVER / ("bind" if in_or_out == "in" else "unbind")).write_text("vivid.0")


def pattern(name: str) -> int:
    """vivid's number of a test pattern, from the menu that it prints."""
    menu = subprocess.run(["v4l2-ctl", "-d", DEVICE, "-L"], check=True, capture_output=True, text=True).stdout
    lines = menu[menu.index(" test_pattern ") :].splitlines()
    return next(int(line.split(":")[0]) for line in lines if line.strip().endswith(f": {name}"))


def ill_treat(loop: Loop) -> None:
    tell("first picture", seconds=loop.sees_again(), state=loop.state.status if loop.state else "")
    frames, began_s = loop.frames, time.monotonic()
    time.sleep(5)
    tell("steady", frames_per_s=(loop.frames - frames) / (time.monotonic() - began_s))

    control(test_pattern=pattern("100% Red"), osd_text_mode=2)
    said_s = loop.waits_for("frozen")
    tell("red card", rgb=loop.rgb)
    control(osd_text_mode=0)  # the time is painted into the picture again
    tell("the same picture again and again", said_s=said_s, recovered_s=loop.waits_for("live"))
    control(test_pattern=pattern("100% Black"), osd_text_mode=2)
    said_s = loop.waits_for("black")
    control(test_pattern=0, osd_text_mode=0)
    tell("black pictures", said_s=said_s, recovered_s=loop.waits_for("live"))

    reopened = loop.state.reopened if loop.state else -1
    wall_s = time.time()
    for jump_s in (86400, -2 * 86400):
        time.clock_settime(time.CLOCK_REALTIME, wall_s + jump_s)
        time.sleep(3)
    time.clock_settime(time.CLOCK_REALTIME, wall_s)
    reopenings = (loop.state.reopened if loop.state else -1) - reopened
    tell("clock set a day forward, then back", recovered_s=loop.sees_again(), reopenings=reopenings)

    for seconds in (3, 40):
        time.sleep(STEADY_S)
        plug("out")
        noticed_s = loop.waits_for("blind")
        time.sleep(seconds)
        plug("in")
        tell(f"unplugged for {seconds} s", noticed_s=noticed_s, recovered_s=loop.sees_again())
    for seconds in (8, 40):
        time.sleep(STEADY_S)
        control(percentage_of_dropped_buffers=100)
        noticed_s = loop.waits_for("blind")
        time.sleep(seconds)
        control(percentage_of_dropped_buffers=0)
        tell(f"stalled for {seconds} s", noticed_s=noticed_s, recovered_s=loop.sees_again())
    for button in ("inject_fatal_streaming_error", "disconnect"):
        time.sleep(STEADY_S)
        control(**{button: 1})
        noticed_s = loop.waits_for("blind")
        tell(button, noticed_s=noticed_s, recovered_s=loop.sees_again())
    tell("all of these", longest_turn_s=loop.longest_turn_s, times_back=loop.backwards, frames=loop.frames)


def make_camera() -> None:
    vivid = ["vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0"]  # one webcam
    subprocess.run(["modprobe", *vivid], check=True)
    seconds_until(Path(DEVICE).exists)


def stop_while_stalled(loop: Loop) -> None:
    control(percentage_of_dropped_buffers=100)
    noticed_s = loop.waits_for("blind")
    time.sleep(4)  # opened again, its thread waits in read()
    loop.stop.set()
    told_s = time.monotonic()
    loop.join(SLOW_S)
    tell("stop while stalled", noticed_s=noticed_s, ended_s=time.monotonic() - told_s)
    control(percentage_of_dropped_buffers=0)


def main() -> None:
    make_camera()
    loop = Loop()
    loop.start()
    ill_treat(loop)
    stop_while_stalled(loop)


if __name__ == "__main__":
    main()
