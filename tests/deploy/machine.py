"""A Debian machine with its own systemd and its own network: systemd-nspawn on a disk image.

It shares the kernel of the host, whose page cache survives it. So it can't test MemoryMax, a real power cut,
udev or a camera.
"""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build/deploy"
RUN = Path("/run")
ADDRESS, WORKSTATION = "10.77.0.2", "10.77.0.1"
DISK_MB = 1800  # small enough to fill quickly
IN_IT = "gstreamer1.0-tools,gstreamer1.0-plugins-base"  # also in a vendor's image
TOOLS = ("mmdebstrap", "systemd-nspawn", "ssh", "ip", "mosquitto_passwd", "mosquitto_sub", "curl")
PACKAGES = "mmdebstrap systemd-container openssh-client iproute2 arch-test debian-archive-keyring"
PACKAGES += " mosquitto mosquitto-clients curl"


class Machine:
    """A machine that boots at `start`, stops without a shutdown at `cut`, and is deleted by `remove`."""

    def __init__(self, name: str, suite: str = "bookworm") -> None:
        need_tools()
        self.name, self.base, self.disk = name, BUILD / f"base-{suite}", BUILD / name
        self._process: subprocess.Popen[bytes] | None = None
        self.boots = 0
        BUILD.mkdir(parents=True, exist_ok=True)
        self._make_base(suite)
        self.remove()
        self._make_disk()
        self._make_network()

    def _make_base(self, suite: str) -> None:
        """Build the base system and its SSH key, if they don't exist (about a minute)."""
        if not (BUILD / "key").exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", BUILD / "key"], check=True)
        part, made = self.base.with_suffix(".part"), self.base.with_suffix(".made")
        if not made.exists() or made.read_text() != IN_IT:
            shutil.rmtree(self.base, ignore_errors=True)
            subprocess.run([HERE / "make_root.sh", part, BUILD / "key.pub", suite, "", IN_IT], check=True)
            part.rename(self.base)
            made.write_text(IN_IT)

    def _make_disk(self) -> None:
        image = self.disk.with_suffix(".img")
        subprocess.run(["truncate", "-s", f"{DISK_MB}M", image], check=True)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", image], check=True)

    def _make_network(self) -> None:
        # the machine is in `name`, ansible is in `namec`; neither has a route to the outside
        name = self.name
        for line in (
            f"netns add {name}",
            f"netns add {name}c",
            f"link add host1 netns {name}c type veth peer name host0 netns {name}",
            f"-n {name}c link set lo up",
            f"-n {name}c addr add {WORKSTATION}/24 dev host1",
            f"-n {name}c link set host1 up",
            f"-n {name} link set lo up",
            f"-n {name} addr add {ADDRESS}/24 dev host0",
            f"-n {name} link set host0 up",
        ):
            subprocess.run(["ip", *line.split()], check=True)

    def start(self) -> float:
        """Boot the machine and return the seconds until SSH responds."""
        start_t = time.monotonic()
        self.boots += 1
        log = (BUILD / f"{self.name}.log").open("ab")
        command = ["unshare", "-m", HERE / "boot.sh", self.name, self.base, self.disk, "-b"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while self.run("true").returncode != 0:
            if time.monotonic() - start_t > 120 or self._process.poll() is not None:
                raise SystemExit(f"the machine did not boot; see {BUILD / self.name}.log")
            time.sleep(0.2)
        return time.monotonic() - start_t

    def cut(self) -> None:
        """Kill every process of the machine without a shutdown."""
        if self._process is not None:
            leader = subprocess.run(
                ["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False
            )
            for pid in [*leader.stdout.split(), str(self._process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            self._process.wait()
            self._process = None
            time.sleep(1)  # until the kernel has unmounted the file systems of the namespace

    def command(self) -> list[str]:
        """Return the command prefix that runs a program in the network of the machine."""
        return ["ip", "netns", "exec", f"{self.name}c"]

    def run(self, script: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a script as root on the machine."""
        ssh = ["ssh", *SSH_OPTIONS, "-o", "ConnectTimeout=10", f"pi@{ADDRESS}", "sudo", "bash", "-s"]
        return subprocess.run(
            [*self.command(), *ssh],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def remove(self) -> None:
        """Delete everything except the base system."""
        self.cut()
        for name in (self.name, f"{self.name}c"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.name}", ignore_errors=True)
        for folder in (self.disk, *RUN.glob(f"ssh-{self.name}-*")):
            shutil.rmtree(folder, ignore_errors=True)
        self.disk.with_suffix(".img").unlink(missing_ok=True)


SSH_OPTIONS = [
    *("-i", str(BUILD / "key"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "BatchMode=yes"),
]


def need_tools() -> None:
    """Install the missing tools; raise SystemExit if that fails."""
    if os.geteuid() != 0:
        raise SystemExit("only root can boot a machine; run sudo make test-deploy")
    if all(shutil.which(tool) for tool in TOOLS):
        return
    print(f"installing {PACKAGES}", flush=True)
    if subprocess.run([HERE.parent / "machines/need_packages.sh", *PACKAGES.split()], check=False).returncode:
        raise SystemExit(1)  # the script says why
