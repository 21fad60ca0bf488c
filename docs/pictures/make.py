"""Make the pictures that the documents show: `make pictures`.

hand-L.jpg      a rendered hand that signs L, for `asl-edge predict`; no photograph of anybody
live-page.png   the live page while the drawn hand spells HELLO (needs chromium and chromedriver)
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(TOP), str(TOP / "tests")]

from support import browser  # noqa: E402  the checkout is put on the path above

from edge.synthetic.background import make_background  # noqa: E402
from train.synthetic.rendered import render_hand  # noqa: E402

ADDRESS = "127.0.0.1:8765"
LIMIT_S = 60.0  # for the word on the page; it takes about 10 s


def make_hand(path: Path) -> None:
    """Write a JPEG of 480x480 px. The seed was chosen for a plain background and a bright picture."""
    rng = np.random.default_rng([1, ord("L")])
    background = make_background(rng, 480)
    hand = render_hand(rng, "L", 480, background=background, hand_fraction=(0.5, 0.65))
    cv2.imwrite(str(path), cv2.cvtColor(hand.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])


def make_live_page(path: Path) -> None:
    """Write a PNG of 1280x800 px, taken when HELL is read and the hand signs O."""
    command = [sys.executable, "-m", "edge", "run", "--camera", "synthetic:HELLO", "--output", "none"]
    with (
        tempfile.TemporaryDirectory() as profile,
        subprocess.Popen([*command, "--page", ADDRESS], cwd=TOP) as program,
    ):
        try:
            wait_for(lambda state: True)
            with browser.browser(Path(profile)) as driver:
                browser.show(driver, "projector")
                driver.get(f"http://{ADDRESS}/")
                wait_for(lambda state: state["text"].endswith("HELL") and state["letter"] == "O")
                time.sleep(0.3)  # the page draws what was sent
                browser.save(driver, path)
        finally:
            program.terminate()


def wait_for(is_there) -> None:  # type: ignore[no-untyped-def]
    """Return when a state that the page is sent fulfils `is_there`. Raises TimeoutError after LIMIT_S."""
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        try:
            with urllib.request.urlopen(f"http://{ADDRESS}/events", timeout=10) as events:
                for line in events:
                    if line.startswith(b"data: ") and is_there(json.loads(line[6:])):
                        return
                    if time.monotonic() > end_s:
                        break
        except OSError:  # not there yet
            time.sleep(0.2)
    raise TimeoutError("the page never showed what was waited for")


if __name__ == "__main__":
    make_hand(HERE / "hand-L.jpg")
    if browser.is_installed():
        make_live_page(HERE / "live-page.png")
    else:
        sys.exit(browser.MISSING)
