"""The live page of the real program, in a real browser."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support import browser
from support.page_board import TOKEN, Board, wait_until

needs_browser = pytest.mark.skipif(not browser.is_installed(), reason=browser.MISSING)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("size", browser.SIZES)
def test_text_appears_while_it_is_signed_and_the_buttons_edit_it(size: str, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("ASL_EDGE_SCREENSHOTS", tmp_path))
    pictures.mkdir(parents=True, exist_ok=True)
    board = Board("--camera", "synthetic:HELLO", "--fps", "12", "--state-dir", tmp_path / "t")
    try:
        with browser.browser(tmp_path / "profile") as driver:
            from selenium.webdriver.common.by import By

            def text() -> str:
                return str(driver.find_element(By.ID, "text").get_property("textContent"))

            browser.show(driver, size)
            driver.get(f"http://127.0.0.1:{board.port}/")
            wait_until(lambda: "HELLO" in text(), "the signer's word on the page")
            browser.save(driver, pictures / f"page-{size}.png")
            assert driver.find_element(By.ID, "letter").text
            width = "return document.getElementById('picture').naturalWidth"
            wait_until(lambda: driver.execute_script(width) == 640, "the picture")
            assert driver.find_element(By.ID, "text").get_attribute("aria-live") == "polite"
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= browser.SIZES[size][0]
            driver.find_element(By.ID, "clear").click()
            wait_until(lambda: len(text()) < 3, "an empty text")
            wait_until(lambda: text().rstrip(), "the next letter")
            driver.find_element(By.ID, "space").click()
            wait_until(lambda: board.state()["text"].endswith(" "), "a space at the end")
            driver.find_element(By.ID, "delete").click()
            wait_until(lambda: not board.state()["text"].endswith(" "), "no space at the end")
            assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        board.end()


@needs_browser
def test_page_reconnects_after_the_program_was_restarted(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = start_board()
    with browser.browser(tmp_path / "profile") as driver:
        from selenium.webdriver.common.by import By

        def link() -> str:
            return driver.find_element(By.ID, "link").text

        driver.get(f"http://127.0.0.1:{board.port}/")
        wait_until(lambda: link() == "live", "a live page")
        board.end()
        wait_until(lambda: "no connection" in link(), "the message that the connection is lost")
        board.start()
        wait_until(lambda: link() == "live", "a live page again")
        wait_until(lambda: "F" in driver.find_element(By.ID, "text").text, "a letter of the new run")
        ready = "const p = document.getElementById('picture'); return p.complete || p.naturalWidth > 0"
        wait_until(lambda: driver.execute_script(ready), "a picture again")


@needs_browser
def test_page_of_a_board_that_is_gone_says_so_and_comes_back(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = start_board()
    with browser.browser(tmp_path / "profile") as driver:
        from selenium.webdriver.common.by import By

        def text(element: str) -> str:
            return driver.find_element(By.ID, element).text

        def is_picture_shown() -> bool:
            return driver.find_element(By.ID, "picture").is_displayed()

        driver.get(f"http://127.0.0.1:{board.port}/")
        wait_until(lambda: text("camera") == "synthetic, live" and is_picture_shown(), "a live page")
        processes = board.process.pid, board.page_process()
        for process in processes:  # as without power: no connection is closed
            os.kill(process, signal.SIGSTOP)
        try:
            wait_until(lambda: "no connection" in text("link"), "the message that the connection is lost")
            assert (text("camera"), text("letter"), text("fps")) == ("–", "–", "–")
            assert not is_picture_shown()
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
        wait_until(lambda: text("camera") == "synthetic, live" and is_picture_shown(), "a live page again")


@needs_browser
def test_keyboard_reaches_every_button_and_types_spaces(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = start_board("--no-page-picture")
    with browser.browser(tmp_path / "profile") as driver:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        driver.get(f"http://127.0.0.1:{board.port}/")
        wait_until(lambda: "F" in driver.find_element(By.ID, "text").text, "a letter")
        assert not driver.find_element(By.ID, "picture").is_displayed()
        ActionChains(driver).send_keys(" ").perform()
        wait_until(lambda: board.state()["text"].endswith(" "), "a space from the space bar")
        reached = set()
        for _ in range(8):
            ActionChains(driver).send_keys(Keys.TAB).perform()
            reached.add(driver.switch_to.active_element.get_attribute("id"))
        assert {"theme", "space", "delete", "clear", "teach"} <= reached


@needs_browser
def test_token_is_typed_once_and_a_wrong_one_is_refused(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    board = start_board("--page-token-file", token)
    with browser.browser(tmp_path / "profile") as driver:
        from selenium.webdriver.common.by import By

        driver.get(f"http://127.0.0.1:{board.port}/")
        assert driver.current_url.endswith("/login")
        for typed, ends in ((TOKEN[:-1], "/login"), (TOKEN, f":{board.port}/")):
            driver.find_element(By.ID, "token").send_keys(typed)
            driver.find_element(By.CSS_SELECTOR, "button.strong").click()
            wait_until(lambda ends=ends: driver.current_url.endswith(ends), f"the address {ends}")
            if typed != TOKEN:
                wait_until(lambda: "Wrong token." in driver.page_source, "the sentence")
        wait_until(lambda: driver.find_element(By.ID, "link").text == "live", "a live page")
        assert driver.get_cookies()[0]["value"] != TOKEN
        driver.find_element(By.ID, "logout").click()
        wait_until(lambda: driver.current_url.endswith("/login"), "the login form")
        assert driver.get_cookies() == []
