"""A device that is told to want a signature takes only packages that a listed key has signed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.command_line import asl_edge, read_refusal
from support.tiny_package import write_metadata

from edge.package import METADATA_NAME
from edge.package.signature import IDENTITY, PACKAGE_NAMESPACE
from export.sign import sign_package

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs openssh-client")
SIGNATURE = f"{METADATA_NAME}.sig"


@pytest.fixture
def package(tiny_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def make_key(path: Path) -> Path:
    """Make a key pair and return the private key's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("key") / "key")


@pytest.fixture
def signers(key: Path, tmp_path: Path) -> Path:
    """The file of the one key that may sign."""
    return list_signer(tmp_path / "signers", key)


def list_signer(path: Path, key: Path, options: str = f'namespaces="{PACKAGE_NAMESPACE}"') -> Path:
    path.write_text(f"{IDENTITY} {options} {key.with_suffix('.pub').read_text()}")
    return path


def test_signed_package_is_accepted_and_the_setting_is_enough(
    package: Path, key: Path, signers: Path, tmp_path: Path
) -> None:
    sign_package(package, key)
    settings = tmp_path / "asl-edge.toml"
    settings.write_text(f'[model]\nfolder = "{package}"\nsigners = "{signers}"\n')
    for arguments in (["check", package, "--signers", signers], ["check", "--config", settings]):
        done = asl_edge(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    (package / SIGNATURE).unlink()
    for command in ("check", "run", "demo", "bench"):
        more = ["A"] if command == "demo" else []
        sentence = read_refusal(asl_edge(command, *more, "--config", settings))
        assert f"{package} is not signed, and model.signers wants a signature: sign it with" in sentence
    assert asl_edge("check", package).returncode == 0  # nobody asked for one


def test_package_that_was_changed_after_signing_is_refused(package: Path, key: Path, signers: Path) -> None:
    sign_package(package, key)
    write_metadata(package, None, presence_threshold=0.4)
    sentence = read_refusal(asl_edge("check", package, "--signers", signers))
    assert f"{SIGNATURE} is not a signature of this package by a key of {signers}" in sentence


def test_file_that_was_exchanged_after_signing_is_refused(package: Path, key: Path, signers: Path) -> None:
    sign_package(package, key)
    (package / "tiny.int8.onnx").write_bytes((package / "tiny.onnx").read_bytes())
    assert "tiny.int8.onnx" in read_refusal(asl_edge("check", package, "--signers", signers))


def test_signature_of_another_key_is_refused(package: Path, signers: Path, tmp_path: Path) -> None:
    sign_package(package, make_key(tmp_path / "other"))
    assert "is not a signature" in read_refusal(asl_edge("check", package, "--signers", signers))


def test_signature_for_another_purpose_is_refused(package: Path, key: Path, signers: Path) -> None:
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", "git", package / METADATA_NAME]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert "is not a signature" in read_refusal(asl_edge("check", package, "--signers", signers))


def test_key_that_is_listed_for_another_purpose_is_refused(package: Path, key: Path, tmp_path: Path) -> None:
    sign_package(package, key)
    signers = list_signer(tmp_path / "signers", key, 'namespaces="git"')
    assert "is not a signature" in read_refusal(asl_edge("check", package, "--signers", signers))


@pytest.mark.parametrize("text", [b"", b"no key", b"\xff" * 1000])
def test_signers_file_without_a_key_is_refused(package: Path, key: Path, tmp_path: Path, text: bytes) -> None:
    sign_package(package, key)
    (signers := tmp_path / "signers").write_bytes(text)
    assert "is not a signature" in read_refusal(asl_edge("check", package, "--signers", signers))


def test_signers_file_that_is_missing_is_named(package: Path, tmp_path: Path) -> None:
    sentence = read_refusal(asl_edge("check", package, "--signers", tmp_path / "nobody"))
    assert f"{tmp_path}/nobody can't be read: no such file" in sentence


def test_signature_without_an_end_is_refused(package: Path, signers: Path) -> None:
    (package / SIGNATURE).symlink_to("/dev/zero")
    assert "it is a device, not a file" in read_refusal(asl_edge("check", package, "--signers", signers))


def test_signers_file_that_nobody_writes_is_refused(package: Path, key: Path, tmp_path: Path) -> None:
    sign_package(package, key)
    os.mkfifo(tmp_path / "signers")
    sentence = read_refusal(asl_edge("check", package, "--signers", tmp_path / "signers"))
    assert "it is a named pipe, not a file" in sentence


def test_missing_ssh_keygen_is_named(package: Path, key: Path, signers: Path) -> None:
    sign_package(package, key)
    done = asl_edge("check", package, "--signers", signers, env={"PATH": "/nowhere"})
    assert "needs ssh-keygen to verify it, which is not installed" in read_refusal(done)
