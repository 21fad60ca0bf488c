"""The role's defaults, its argument_specs.yml, the table of ansible/README.md and the settings agree."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from edge.settings import Settings
from edge.settings_file import read_settings

ANSIBLE = Path(__file__).parents[2] / "ansible"
ROLE = ANSIBLE / "roles/asl_edge"
Tables = dict[str, object]


def sentences() -> dict[str, str]:
    """Return the comment of each default, by the name of the variable."""
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
def test_board_sets_its_name_and_known_variables_only(board: Path) -> None:
    text = board.read_text()
    assert f"asl_edge_board: {board.stem}\n" in text
    assert set(re.findall(r"^(asl_edge_\w+):", text, re.MULTILINE)) <= set(sentences())


def test_every_variable_of_the_tasks_has_a_default() -> None:
    files = [*ROLE.glob("tasks/*.yml"), *ROLE.glob("templates/*"), *ANSIBLE.glob("*.yml")]
    text = "\n".join(path.read_text() for path in files)
    made_here = set(re.findall(r"(?:register: |^\s+)(asl_edge_\w+)(?::|$)", text, re.MULTILINE)) | {
        "asl_edge_links",
        "asl_edge_variables",
        "asl_edge_all_dropins",
    }
    assert set(re.findall(r"\basl_edge_\w+", text)) - made_here <= set(sentences())


def render_settings(settings: Tables, **more: object) -> str:
    """Render the template of asl-edge.toml as ansible does."""
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"combine": combine, "to_json": json.dumps}
    template = environment.from_string((ROLE / "templates/asl-edge.toml.j2").read_text())
    return template.render(ansible_managed="", asl_edge_camera="pi", asl_edge_settings=settings, **more)


def combine(first: Tables, second: Tables, recursive: bool = False) -> Tables:
    """ansible.builtin.combine."""
    both = dict(first)
    for key, value in second.items():
        inner = both.get(key)
        is_nested = recursive and isinstance(inner, dict) and isinstance(value, dict)
        both[key] = combine(inner, value, True) if is_nested else value  # type: ignore[arg-type]
    return both


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"camera": {"fps": 5}, "page": {"picture": False}}, {"fps": 5.0, "page_picture": False}),
        ({"fps": 5, "picture": False}, {"fps": 5.0, "page_picture": False}),
        ({"camera": "usb:0", "letters": {"hold_s": 1}}, {"camera": "usb:0", "hold_s": 1.0}),
    ],
)  # fmt: skip
def test_settings_of_the_inventory_reach_the_board_in_tables_and_flat(
    tmp_path: Path, settings: Tables, expected: dict[str, object]
) -> None:
    (file := tmp_path / "asl-edge.toml").write_text(render_settings(settings))
    always = Settings(camera="pi", model="/var/lib/asl-edge/model")
    assert read_settings(file) == replace(always, **expected)  # type: ignore[arg-type]


def test_no_task_runs_the_program_as_root() -> None:
    """A package is tried in the sandbox of the service: TorchScript could do more than compute."""
    runs_it = re.compile(r"(bin/asl-edge|asl_edge_program)\b(?!:)")
    named_only = ("asl_edge_program: ", "sudo -u asl-edge")  # a variable's value, advice for a person
    found = []
    for path in ROLE.glob("tasks/*.yml"):
        for task in re.split(r"\n(?=\s*- name:)", path.read_text()):
            for line in task.splitlines():
                if runs_it.search(line) and not any(words in line for words in named_only):
                    found.append(path.name)
                    opens_no_model = "'--uid=asl-edge'" in task and "'unpublish'" in task
                    in_sandbox = "libexec/sandboxed" in task or "libexec/check_settings" in task
                    assert in_sandbox or opens_no_model, f"{path.name}: {task}"
    expected = {"application.yml", "new_model.yml", "service.yml", "uninstall.yml", "verify.yml"}
    assert set(found) == expected


def test_sandbox_of_the_trial_is_the_units() -> None:
    unit = (ANSIBLE.parent / "systemd/asl-edge.service").read_text()
    script = (ROLE / "files/sandboxed").read_text()
    passed = [
        word.strip() for words in re.findall(r"^    (.+)\) ;;$", script, re.M) for word in words.split("|")
    ]
    lines = re.search(r"\[Service\]\n(.*)\n\[Install\]", unit, re.S)[1].splitlines()  # type: ignore[index]
    names = {line.partition("=")[0] for line in lines if line}
    left_out = {name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in passed)}
    about_a_service = (
        "Type",
        "Exec",
        "Restart",
        "Watchdog",
        "Timeout",
        "KillMode",
        "RuntimeDirectory",
        "Log",
    )
    in_any_case = {"SupplementaryGroups", "EnvironmentFile", "LimitNOFILE", "OOMPolicy"}
    assert {name for name in left_out if not name.startswith(about_a_service)} <= in_any_case


def test_board_that_wants_signatures_gets_the_setting_and_the_keys() -> None:
    key = "ssh-ed25519 AAAA anna@work"
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    template = environment.from_string((ROLE / "templates/allowed_signers.j2").read_text())
    text = template.render(ansible_managed="", asl_edge_signers=[key])
    assert text.splitlines()[1:] == [f'asl-edge namespaces="asl-edge-package,asl-edge-release" {key}']
    settings = render_settings({"model": {"threads": 1}}, asl_edge_signers=[key])
    assert 'signers = "/etc/asl-edge/allowed_signers"' in settings


def test_sandbox_passes_what_this_systemd_knows_and_the_drop_ins_memory(tmp_path: Path) -> None:
    """Both programs of systemd are played here: one lists what it knows, the other prints what it is told."""
    programs, dropins = tmp_path / "bin", tmp_path / "dropins"
    for folder in (programs, dropins):
        folder.mkdir()
    knows = "User Group MemoryMax PrivateNetwork ProtectSystem SystemCallFilter DeviceAllow Environment"
    known = "".join(f"{name}=\\n" for name in knows.split())  # an older one, without ProtectClock
    for name, script in (("systemctl", f"printf '{known}'"), ("systemd-run", """printf '%s\\n' "$@\"""")):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    (dropins / "more.conf").write_text("[Service]\nMemoryMax=3G\nPrivateNetwork=no\n")
    for source in (ROLE / "files/sandboxed", ANSIBLE.parent / "systemd/asl-edge.service"):
        shutil.copy(source, tmp_path)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "ASL_EDGE_DROPINS": str(dropins)}
    command = ["sh", tmp_path / "sandboxed", "/usr/bin/env", "A=a b", "program", "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-5:] == ["--", "/usr/bin/env", "A=a b", "program", "check"]
    properties = [line.removeprefix("--property=") for line in lines if line.startswith("--property=")]
    assert [line for line in properties if line.startswith("MemoryMax=")] == [
        "MemoryMax=512M",
        "MemoryMax=3G",
    ]
    assert {"User=asl-edge", "PrivateNetwork=yes", "ProtectSystem=strict"} <= set(properties)
    assert any(line.startswith("SystemCallFilter=~@clock ") for line in properties)
    assert not [
        line for line in properties if line.startswith(("ProtectClock", "DeviceAllow", "PrivateNetwork=no"))
    ]
