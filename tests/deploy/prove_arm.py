"""`make test-deploy-arm`: run site.yml on an emulated 64-bit ARM machine, with the wheels that a board gets.

On an idle two-core host it takes about ten minutes to build the machine, one to boot it, and six to run the
playbook. Times under emulation are not those of a board.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import board as boards
from board import Board, changed, expect, say, until
from machine import BUILD, HERE, SSH_OPTIONS, need_tools

PORT = 2422
TOOLS = ("qemu-system-aarch64", "mke2fs", "arch-test")
PACKAGES = "qemu-system-arm qemu-user-static binfmt-support arch-test ipxe-qemu"
# the machine needs only the virtio drivers
INITRAMFS = "virtio_pci\nvirtio_mmio\nvirtio_blk\nvirtio_net\next4\ncrc32c_generic\n"
APPEND = "root=/dev/vda rw console=ttyAMA0 quiet mitigations=off nowatchdog random.trust_cpu=on"
BINFMT = Path("/proc/sys/fs/binfmt_misc")


@contextlib.contextmanager
def arm_programs_run() -> Iterator[None]:
    """Let the kernel run ARM programs with qemu: the installation of packages runs some."""
    if subprocess.run(["arch-test", "arm64"], capture_output=True, check=False).returncode == 0:
        yield
        return
    mounted_here = not (BINFMT / "register").exists()
    if mounted_here:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    try:
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=True)
        try:
            yield
        finally:
            subprocess.run(["update-binfmts", "--disable", "qemu-aarch64"], check=False)
    finally:
        if mounted_here:
            subprocess.run(["umount", BINFMT], check=False)


class ArmMachine:
    """qemu's `virt` with a Cortex-A72, as in a Raspberry Pi 4; SSH is forwarded to a local port."""

    def __init__(self) -> None:
        self.root, self.image = BUILD / "arm-root", BUILD / "arm.img"
        self.name, self.boots = "arm", 1
        self._process: subprocess.Popen[bytes] | None = None

    def build(self) -> None:
        """Build a Debian root with its kernel, as an image of 4 GB."""
        packages = "linux-image-arm64,initramfs-tools,lz4,kmod"
        script = HERE / "make_root.sh"
        subprocess.run([script, self.root, BUILD / "key.pub", "bookworm", "arm64", packages], check=True)
        (self.root / "etc/initramfs-tools/modules").write_text(INITRAMFS)
        (self.root / "etc/initramfs-tools/conf.d/modules").write_text("MODULES=list\nCOMPRESS=lz4\n")
        (self.root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        network = "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n"
        (self.root / "etc/systemd/network/10-dhcp.network").write_text(network)
        for line in ("update-initramfs -u", "systemctl enable systemd-networkd"):
            subprocess.run(["chroot", self.root, *line.split()], check=True)
        for name in ("vmlinuz", "initrd.img"):
            newest = sorted((self.root / "boot").glob(f"{name}-*"))[-1]
            shutil.copyfile(newest, BUILD / f"arm.{name}")
        self.image.unlink(missing_ok=True)
        subprocess.run(["truncate", "-s", "4G", self.image], check=True)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", self.root, self.image], check=True)

    def start(self) -> float:
        """Boot the machine and return the seconds until SSH responds."""
        start_t = time.monotonic()
        command = ["qemu-system-aarch64", "-machine", "virt,gic-version=3", "-accel", "tcg,thread=multi"]
        command += ["-cpu", "cortex-a72", "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none"]
        command += ["-no-reboot", "-kernel", f"{BUILD}/arm.vmlinuz", "-initrd", f"{BUILD}/arm.initrd.img"]
        command += ["-append", APPEND, "-drive", f"file={self.image},format=raw,if=none,id=d0,cache=unsafe"]
        command += ["-device", "virtio-blk-pci,drive=d0", "-device", "virtio-net-pci,netdev=n0,romfile="]
        # restrict: only the forwarded port connects the machine to the host
        command += ["-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{PORT}-:22"]
        command += ["-device", "virtio-rng-pci", "-serial", f"file:{BUILD}/arm.serial"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        until(lambda: self.run("true").returncode == 0, 600)
        return time.monotonic() - start_t

    def cut(self) -> None:
        """Kill the machine without a shutdown."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def command(self) -> list[str]:
        """Return no command prefix: the host can reach the machine directly."""
        return []

    def run(self, script: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a script as root on the machine."""
        ssh = ["ssh", *SSH_OPTIONS, "-p", str(PORT), "pi@127.0.0.1", "sudo", "bash", "-s"]
        return subprocess.run(
            ssh, input=script, capture_output=True, text=True, check=False, timeout=timeout_s
        )


def main() -> None:
    need_tools()
    if not all(shutil.which(tool) for tool in TOOLS):
        installation = subprocess.run(
            [HERE.parent / "machines/need_packages.sh", *PACKAGES.split()], check=False
        )
        if installation.returncode:
            sys.exit(1)  # the script says why
    BUILD.mkdir(parents=True, exist_ok=True)
    if not (BUILD / "key").exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", BUILD / "key"], check=True)
    machine = ArmMachine()
    if not machine.image.exists() or "ARM_REBUILD" in os.environ:
        with arm_programs_run():
            machine.build()
    boards.VARIABLES |= {"ansible_host": "127.0.0.1", "ansible_port": PORT, "asl_edge_watch_s": 60}
    # an emulated inference takes about a second
    boards.VARIABLES |= {"asl_edge_limit_ms": 60000, "asl_edge_ready_s": 300}
    try:
        say(f"booted in {machine.start():.0f} s: {machine.run('uname -rm').stdout.strip()}")
        board = Board(machine, "debian_arm")
        output = board.play("site")
        expect(" frames/s" in output, "site.yml verified READY, a letter and the state of the camera")
        expect(changed(board.play("site")) == 0, "a second run: changed=0")
    finally:
        machine.cut()
    say("all checks passed")


if __name__ == "__main__":
    main()
