"""The documents: their commands run or say why not, their links resolve, their quotes are exact."""

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
TIMEOUT_S = 600.0  # per command; the first one installs packages from the internet
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "OPENCV_", "XDG_", "VIRTUAL"))
}


@dataclass(frozen=True)
class Command:
    """A command of a document, and the output that the document shows below it."""

    line: str
    expected: list[str]
    interrupted: bool  # it runs until Ctrl-C


def parse_blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield each console block: how to run it ("", "interrupt" or "not-run: REASON"), and its text."""
    for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        yield match["how"], match["text"]


def parse_commands(page: str) -> list[Command]:
    """Return the commands of a page that are run. The last command of an "interrupt" block needs Ctrl-C."""
    commands = []
    for how, text in parse_blocks(page):
        if how.startswith("not-run:"):
            continue
        parts = re.split(r"^ *\$ ", text, flags=re.M)[1:]
        for number, part in enumerate(parts, 1):
            line, *output = part.rstrip().split("\n")
            expected = [text.strip() for text in output if text.strip() != "..."]
            commands.append(Command(line, expected, how == "interrupt" and number == len(parts)))
    return commands


def matches(printed: str, expected: str) -> bool:
    """Whether two lines are equal, except for small differences in numbers, as between two processors."""
    if expected.endswith("..."):
        expected = expected.removesuffix("...")
        printed = printed[: len(expected)]
    if NUMBER.sub("#", printed) != NUMBER.sub("#", expected):
        return False
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(expected), strict=True)
    return all(abs(float(a) - float(b)) <= max(0.15, 0.1 * abs(float(b))) for a, b in pairs)


def find_missing_line(printed: list[str], expected: list[str]) -> str:
    """Return the first expected line that was not printed, or not in this order; "" if there is none."""
    rest = iter(printed)
    for line in expected:
        if not any(matches(text.strip(), line) for text in rest):
            return line
    return ""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this checkout without ignored files, such as builds and environments."""
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
    """Run the command in a shell; return its exit code and the lines of its output and errors."""
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
        timer = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if command.interrupted and not find_missing_line(lines, command.expected):
                os.killpg(process.pid, signal.SIGINT)
                lines += process.stdout.read().splitlines()
        timer.cancel()
    return process.returncode, lines


@pytest.mark.parametrize("page", PAGES)
def test_block_that_is_not_run_says_why(page: str) -> None:
    for how, text in parse_blocks(page):
        assert how in ("", "interrupt") or re.fullmatch(r"not-run: \w.+", how), text


@pytest.mark.parametrize("page", PAGES)
def test_links_point_to_existing_files_and_headings(page: str) -> None:
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
@pytest.mark.parametrize("page", [page for page in PAGES if parse_commands(page)])
def test_commands_print_what_the_page_shows(page: str, checkout: Path) -> None:
    subprocess.run(["make", "venv"], cwd=checkout, env=ENVIRONMENT, check=True, capture_output=True)
    for command in parse_commands(page):
        code, lines = run_command(command, checkout)
        printed = "\n".join(lines)
        assert code == 0, f"{page}: {command.line}\n{printed}"
        missing = find_missing_line(lines, command.expected)
        assert not missing, f"{page}: {command.line}\ndid not print: {missing}\nbut:\n{printed}"


def collect_strings() -> str:
    """Return all string literals of the program in lower case, with "…" for each value in an f-string."""
    parts = []
    files = [file for room in ("edge", "train", "export", "ansible") for file in (ROOT / room).rglob("*.py")]
    for file in sorted(files):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                values = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
                parts.append("".join(map(str, values)))
    return "\n".join(parts).casefold()


def test_troubleshooting_quotes_messages_of_the_program() -> None:
    role = ROOT / "ansible/roles/asl_edge"
    playbooks = "\n".join(path.read_text() for path in [*role.glob("tasks/*.yml"), *role.glob("files/*")])
    messages = collect_strings() + " ".join(playbooks.casefold().split())
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    for sentence in re.findall(r"^\| `([^`]+)`", page, flags=re.M):
        for part in filter(None, (piece.strip(" ,:") for piece in sentence.casefold().split("…"))):
            assert part in messages, f"the page quotes {sentence!r}, but no message contains {part!r}"


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
