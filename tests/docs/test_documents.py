"""The documents: every command runs as it is written or says why not, every link leads somewhere."""

import ast
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "ansible/*.md", "systemd/*.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^ *```console ?(?P<how>[^\n]*)\n(?P<text>.*?)^ *```", re.M | re.S)
NUMBER = re.compile(r"-?\d+\.?\d*")
LIMIT_S = 600.0  # for one command: the first one installs what it needs from the internet
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "OPENCV_", "XDG_", "VIRTUAL"))
}


@dataclass(frozen=True)
class Command:
    """A command of a document, and the lines that the document shows under it."""

    line: str
    expected: list[str]
    interrupted: bool  # it runs until Ctrl-C


def blocks_of(page: str) -> Iterator[tuple[str, str]]:
    """Yield how a console block is run ("", "interrupt" or "not-run: why") and its text."""
    for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        yield match["how"], match["text"]


def commands_of(page: str) -> list[Command]:
    commands = []
    for how, text in blocks_of(page):
        if how.startswith("not-run:"):
            continue
        parts = re.split(r"^ *\$ ", text, flags=re.M)[1:]
        for number, part in enumerate(parts, 1):
            line, *expected = part.rstrip().split("\n")
            shown = [text.strip() for text in expected if text.strip() != "..."]
            commands.append(Command(line, shown, how == "interrupt" and number == len(parts)))
    return commands


def is_alike(got: str, expected: str) -> bool:
    """Whether two lines are the same but for small differences of numbers, as between two processors."""
    if expected.endswith("..."):
        expected = expected.removesuffix("...")
        got = got[: len(expected)]
    if NUMBER.sub("#", got) != NUMBER.sub("#", expected):
        return False
    pairs = zip(NUMBER.findall(got), NUMBER.findall(expected), strict=True)
    return all(abs(float(a) - float(b)) <= max(0.15, 0.1 * abs(float(b))) for a, b in pairs)


def missing_line(got: list[str], expected: list[str]) -> str:
    """Return the first expected line that does not follow in what was printed; "" if all do."""
    rest = iter(got)
    for line in expected:
        if not any(is_alike(text.strip(), line) for text in rest):
            return line
    return ""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout without anything that was built in it."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def run_command(command: Command, checkout: Path) -> tuple[int, list[str]]:
    """Run it in a shell of its own -> exit code, and the lines of standard output and error."""
    lines: list[str] = []
    with subprocess.Popen(
        ["bash", "-c", command.line],
        cwd=checkout,
        env={**ENVIRONMENT, "HOME": str(checkout)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        guard = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
        guard.start()
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if command.interrupted and not missing_line(lines, command.expected):
                os.killpg(process.pid, signal.SIGINT)
                lines += process.stdout.read().splitlines()
        guard.cancel()
    return process.returncode, lines


@pytest.mark.parametrize("page", PAGES)
def test_block_that_is_not_run_says_why(page: str) -> None:
    for how, text in blocks_of(page):
        assert how in ("", "interrupt") or re.fullmatch(r"not-run: \w.+", how), text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.M)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page} links to {link}"


def test_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 150
    assert len(text.split()) <= 1500


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_commands_print_what_the_page_shows(page: str, checkout: Path) -> None:
    subprocess.run(["make", "venv"], cwd=checkout, env=ENVIRONMENT, check=True, capture_output=True)
    for command in commands_of(page):
        code, lines = run_command(command, checkout)
        printed = "\n".join(lines)
        assert code == 0, f"{page}: {command.line}\n{printed}"
        missing = missing_line(lines, command.expected)
        assert not missing, f"{page}: {command.line}\ndid not print: {missing}\nbut:\n{printed}"


def texts_of_the_program() -> str:
    """All text that stands in edge/, with a mark where a value is put in."""
    parts = []
    for file in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                values = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
                parts.append("".join(map(str, values)))
    return "\n".join(parts).casefold()


def test_troubleshooting_quotes_what_the_program_says() -> None:
    said = texts_of_the_program()
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    for sentence in re.findall(r"^\| `([^`]+)`", page, flags=re.M):
        for part in filter(None, (piece.strip(" ,:") for piece in sentence.casefold().split("…"))):
            assert part in said, f"the page quotes {sentence!r}; the program never says {part!r}"


def test_constants_point_to_sections_of_the_lab_book() -> None:
    sections = set(re.findall(r"^## (.+)$", (ROOT / "docs/experiments.md").read_text("utf-8"), flags=re.M))
    pointers = [
        (file.relative_to(ROOT).as_posix(), re.sub(r"\n# *", " ", heading))
        for room in ("edge", "train", "export", "benchmarks")
        for file in (ROOT / room).rglob("*.py")
        for heading in re.findall(r'docs/experiments\.md,[\s#]*"([^"]+)"', file.read_text("utf-8"))
    ]
    assert len(pointers) > 10
    assert [pointer for pointer in pointers if pointer[1] not in sections] == []
