"""Sign a package with an SSH key, as edge/package/signature.py verifies it."""

import subprocess
from pathlib import Path

from edge.errors import DataError
from edge.package import METADATA_NAME
from edge.package.signature import PACKAGE_NAMESPACE


def sign_package(folder: Path, key: Path) -> None:
    """Write model_metadata.json.sig. Raises DataError if ssh-keygen does not sign with `key`.

    `key` is a private key, or the public key of one that ssh-agent holds. ssh-keygen asks for a passphrase.
    """
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", PACKAGE_NAMESPACE]
    try:
        done = subprocess.run(
            [*command, str(folder / METADATA_NAME)], stderr=subprocess.PIPE, text=True, check=False
        )
    except FileNotFoundError:
        raise DataError(
            "--sign needs ssh-keygen, which is not installed: apt install openssh-client"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise DataError(f"ssh-keygen did not sign with {key} ({said[-1]}): name a private key with --sign")
