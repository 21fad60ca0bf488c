"""Debian's chromium, driven by selenium, to test the page and to take screenshots of it.

python tests/support/browser.py http://127.0.0.1:8080/ FOLDER writes a PNG for each size, light and dark.
"""

import base64
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver

SIZES = {"phone": (390, 844), "projector": (1280, 800)}
MISSING = "chromium or chromedriver is not installed: apt install chromium chromium-driver"


def is_installed() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@contextmanager
def browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """Open a headless browser with its own profile; its log can be read."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)  # --no-sandbox: it can't have one as root, and opens only our own page
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: webdriver.Chrome, size: str, scheme: str = "light") -> None:
    """Set the screen size, and whether the user prefers light or dark."""
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def save(driver: webdriver.Chrome, path: Path) -> None:
    """Save a screenshot as PNG."""
    screenshot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(screenshot["data"]))


def main(url: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with browser(folder / "profile") as driver:
        for size in SIZES:
            for scheme in ("light", "dark"):
                show(driver, size, scheme)
                driver.get(url)
                time.sleep(3)
                save(driver, folder / f"{size}-{scheme}.png")
    shutil.rmtree(folder / "profile", ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
