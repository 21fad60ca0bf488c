"""The role's defaults, its argument_specs.yml and the table of ansible/README.md say the same."""

import re
from pathlib import Path

import pytest

ANSIBLE = Path(__file__).parents[2] / "ansible"
ROLE = ANSIBLE / "roles/asl_edge"


def sentences() -> dict[str, str]:
    """Each default's comment, by the variable's name."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in (ROLE / "defaults/main.yml").read_text().splitlines():
        if line.startswith("# "):
            comment.append(line[2:])
        else:
            if match := re.match(r"(asl_edge_\w+):", line):
                found[match[1]] = " ".join(comment)
            comment = []
    return found


def test_every_default_has_a_sentence() -> None:
    assert len(sentences()) > 20
    assert [name for name, sentence in sentences().items() if not sentence.endswith(".")] == []


def test_argument_specs_hold_the_same_sentences() -> None:
    text = (ROLE / "meta/argument_specs.yml").read_text()
    specs = re.findall(
        r"^      (asl_edge_\w+):\n        description: >-\n((?:          .*\n)+)", text, re.MULTILINE
    )
    assert {name: " ".join(said.split()) for name, said in specs} == sentences()


def test_readme_table_holds_the_same_sentences() -> None:
    rows = re.findall(
        r"^\| `(asl_edge_\w+)` \| .* \| (.*) \|$", (ANSIBLE / "README.md").read_text(), re.MULTILINE
    )
    assert dict(rows) == sentences()


@pytest.mark.parametrize("board", sorted(ANSIBLE.glob("group_vars/*.yml")), ids=lambda path: path.stem)
def test_board_sets_its_name_and_nothing_that_the_role_does_not_know(board: Path) -> None:
    text = board.read_text()
    assert f"asl_edge_board: {board.stem}\n" in text
    assert set(re.findall(r"^(asl_edge_\w+):", text, re.MULTILINE)) <= set(sentences())


def test_every_variable_that_tasks_read_from_outside_is_a_default() -> None:
    files = [*ROLE.glob("tasks/*.yml"), *ROLE.glob("templates/*"), *ANSIBLE.glob("*.yml")]
    text = "\n".join(path.read_text() for path in files)
    made_here = set(re.findall(r"(?:register: |^\s+)(asl_edge_\w+)(?::|$)", text, re.MULTILINE)) | {
        "asl_edge_links"
    }
    assert set(re.findall(r"\basl_edge_\w+", text)) - made_here <= set(sentences())
