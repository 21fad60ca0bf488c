"""`python -m export.upgrade` brings a package of version 1 to version 2 and changes no network."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command_line import asl_edge

from edge.models import DEFAULT_MODEL
from edge.package import METADATA_NAME, open_package
from edge.package.signature import IDENTITY
from export.upgrade import main


def to_version_1(folder: Path) -> dict[str, Any]:
    """Describe a package as asl-edge 0.2 did, without golden pictures; return its metadata."""
    path = folder / METADATA_NAME
    metadata: dict[str, Any] = json.loads(path.read_text())
    contents = metadata.pop("contents")
    for picture in metadata.pop("golden_pictures"):
        (folder / picture["name"]).unlink()
    for entry in metadata["files"].values():
        entry |= contents[entry["name"]]
    metadata["schema_version"] = 1
    path.write_text(json.dumps(metadata))
    return metadata


@pytest.mark.slow
def test_upgraded_package_is_the_shipped_one_again(tmp_path: Path) -> None:
    folder = shutil.copytree(DEFAULT_MODEL, tmp_path / "package")
    to_version_1(folder)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    assert main([str(folder), "--sign", str(key)]) == 0
    upgraded, shipped = open_package(folder), open_package(DEFAULT_MODEL)
    assert upgraded.metadata == shipped.metadata
    assert upgraded.contents == shipped.contents
    (signers := tmp_path / "signers").write_text(f"{IDENTITY} {key.with_suffix('.pub').read_text()}")
    done = asl_edge("check", folder, "--signers", signers)
    assert (done.returncode, done.stderr) == (0, "")


def test_package_that_reads_no_hands_stays_as_it_was(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "package")
    metadata = to_version_1(folder)
    assert main([str(folder)]) == 2
    assert "read too few drawn hands" in capsys.readouterr().err.splitlines()[-1]
    assert json.loads((folder / METADATA_NAME).read_text()) == metadata
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_key_that_can_not_sign_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(DEFAULT_MODEL, tmp_path / "package")
    (key := tmp_path / "key").write_text("no key")
    before = sorted(path.name for path in folder.iterdir())
    assert main([str(folder), "--sign", str(key)]) == 2
    assert f"upgrade: ssh-keygen did not sign with {key} (" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before
