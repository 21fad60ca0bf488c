"""The container's files agree with each other; `make test-container` builds and runs them."""

import re
from pathlib import Path

from edge.settings import Settings
from edge.settings_file import read_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yml").read_text(encoding="utf-8")


def list_copied() -> list[str]:
    """Return the paths of the checkout that the Dockerfile copies."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()[:-1]]


def test_copied_files_exist_and_are_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert len(list_copied()) > 5
    for path in list_copied():
        assert (ROOT / path).exists()
        assert any(path == name or path.startswith(f"{name}/") for name in kept), path


def test_settings_are_valid_and_differ_by_the_broker_only() -> None:
    plain, with_broker = (
        read_settings(ROOT / "container" / f"{name}.toml") for name in ("settings", "settings-mqtt")
    )
    changed = {name for name, value in vars(plain).items() if value != getattr(with_broker, name)}
    assert changed == {"mqtt", "mqtt_name"}
    assert plain.page.endswith(":8080")
    assert plain != Settings()


def test_compose_mounts_what_the_settings_name() -> None:
    settings = read_settings(ROOT / "container" / "settings-mqtt.toml")
    (secret,) = re.findall(r"secrets: \[(\w+)\]", COMPOSE)
    assert settings.page_token_file == f"/run/secrets/{secret}"
    assert f"- state:{settings.state_dir}" in COMPOSE
    assert f"VOLUME {settings.state_dir}" in DOCKERFILE
    assert "EXPOSE 8080" in DOCKERFILE
    for path in re.findall(r"^\s+- \./(\S+?):", COMPOSE, re.MULTILINE):
        assert (ROOT / path).is_file(), path
