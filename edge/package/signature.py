"""Signatures of a package, made and verified by OpenSSH, which every board has.

The workstation signs the metadata, which holds the sum of every file:

    ssh-keygen -Y sign -f KEY -n asl-edge-package DIR/model_metadata.json

The board has a file of the public keys that may sign, a line each: `asl-edge ssh-ed25519 AAAA...`
"""

import stat
import subprocess
from pathlib import Path

from edge.errors import PackageError, os_errors_as

SIGNATURE_SUFFIX = ".sig"  # ssh-keygen appends it
IDENTITY = "asl-edge"  # the first word of a line of the signers' file
# A signature is good for one purpose only: the same key may also log in or sign commits.
PACKAGE_NAMESPACE = "asl-edge-package"
MAX_SIGNATURE_BYTES = 20_000
TIMEOUT_S = 30.0


def verify_signature(data: bytes, path: Path, signers: Path) -> None:
    """Raise PackageError unless `path`.sig is the signature of `data` by a key of `signers`.

    `data` are the bytes of `path` that the caller goes on with, so nobody can exchange the file in between.
    """
    signature = path.with_name(path.name + SIGNATURE_SUFFIX)
    with os_errors_as(PackageError, f"{signers} can't be read", "model.signers names it"):
        signers.open("rb").close()
    with os_errors_as(PackageError, f"{signature} can't be read"):
        try:
            status = signature.stat()
        except FileNotFoundError:
            raise PackageError(
                f"{path.parent} is not signed, and model.signers wants a signature: sign it with "
                f"ssh-keygen -Y sign -f KEY -n {PACKAGE_NAMESPACE} {path.name}"
            ) from None
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIGNATURE_BYTES:
        raise PackageError(f"{signature} is no signature of ssh-keygen: copy the package again, or sign it")
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
