"""Signatures of a package, made and verified by OpenSSH, which every board has.

The workstation signs the metadata, which holds the sum of every file:

    ssh-keygen -Y sign -f KEY -n asl-edge-package DIR/model_metadata.json

The board has a file of the public keys that may sign, a line each: `asl-edge ssh-ed25519 AAAA...`
"""

import subprocess
from pathlib import Path

from edge.errors import PackageError, os_errors_as
from edge.system.bounded_files import read_bounded

SIGNATURE_SUFFIX = ".sig"  # ssh-keygen appends it
IDENTITY = "asl-edge"  # the first word of a line of the signers' file
# A signature is good for one purpose only: the same key may also log in or sign commits.
PACKAGE_NAMESPACE = "asl-edge-package"
MAX_BYTES = 100_000  # of a signature, and of the file of keys
TIMEOUT_S = 30.0


def verify_signature(data: bytes, path: Path, signers: Path) -> None:
    """Raise PackageError unless `path`.sig is the signature of `data` by a key of `signers`.

    `data` are the bytes of `path` that the caller goes on with, so nobody can exchange the file in between.
    """
    signature = path.with_name(path.name + SIGNATURE_SUFFIX)
    with os_errors_as(PackageError, f"{signers} can't be read", "model.signers names it"):
        read_bounded(signers, MAX_BYTES)
    if not signature.exists():
        raise PackageError(
            f"{path.parent} is not signed, and model.signers wants a signature: sign it with "
            f"ssh-keygen -Y sign -f KEY -n {PACKAGE_NAMESPACE} {path.name}"
        )
    with os_errors_as(PackageError, f"{signature} can't be read", "copy the package again, or sign it"):
        read_bounded(signature, MAX_BYTES)
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", IDENTITY, "-n", PACKAGE_NAMESPACE]
    try:
        done = subprocess.run(
            [*command, "-s", str(signature)], input=data, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise PackageError(
            "a signature needs ssh-keygen to verify it, which is not installed: apt install openssh-client"
        ) from None
    except subprocess.TimeoutExpired:
        raise PackageError(f"ssh-keygen did not verify {signature} within {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise PackageError(
            f"{signature} is not a signature of this package by a key of {signers} "
            f"(ssh-keygen: {said[-1][:200]!r}): sign it with a key that is listed there"
        )
