"""A box: a real Debian with systemd as its first process, in namespaces of its own.

Mounts, processes, network, host name and control groups are the box's; the kernel is the host's.
It has a disk (a loop device) under the name that AWS gives to an extra volume, and reaches the
package registries through a veth pair and NAT. Unlike a real one it has no udev, and systemd, which
finds itself in a container, leaves the devices in fstab alone (systemd-fstab-generator(8)); a unit
does `mount -a` in its stead, as init scripts always did.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from scheduler.devchain.toolchain import cache_directory
from scheduler.processes import bound_command
from tests.provision.image import archives, image, pip_settings, share
from tests.provision.uplink import forwarding, switch_forwarding, uplink

ROOT = Path(__file__).parents[2]
# How long what a box does may take: it matters only where something never happens.
SECONDS = 1500
# Where a box finds the checkout, and what else of the host it may read.
CHECKOUT = Path("/home/ubuntu/scheduler-kit")
OPERATOR = "ubuntu"
WHEELS = "opt/wheels"
_numbers = itertools.count()

_MOUNTS = """\
[Unit]
Description=What systemd does itself outside a container: the devices in fstab
DefaultDependencies=no
Before=local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/mount -a
ExecStop=-/usr/bin/umount /data
[Install]
WantedBy=local-fs.target
"""

# Its arguments: the root, then NAME:NUMBER of devices.
_INIT = """\
set -eu
root=$1; shift
mount --make-rprivate /
mount --rbind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm mnt/host 2>/dev/null || mkdir -p dev/pts dev/shm mnt/host
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in "$@"; do
    mknod "dev/${device%%:*}" b 7 "${device##*:}"
done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
pivot_root . mnt/host
umount -l /mnt/host
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


class Disk:
    """A loop device of so many MB on a sparse file, with a kernel name and number."""

    def __init__(self, file: Path, megabytes: int) -> None:
        self.file = file
        with open(file, "wb") as content:
            content.truncate(megabytes * 1_000_000)
        shown = _output("losetup", "--find", "--show", "--partscan", str(file))
        self.name = Path(shown).name

    @property
    def number(self) -> int:
        """The minor number (the major one is 7: Linux's devices.txt)."""
        return int(self.name.removeprefix("loop"))

    def remove(self) -> None:
        """Gives the loop device back."""
        subprocess.run(["losetup", "--detach", f"/dev/{self.name}"], check=True)


class Machine:
    """One box; used as a context, everything of it is gone at the end."""

    def __init__(self, directory: Path, megabytes: int = 2000) -> None:
        """`directory` must be on a file system on which an overlay can be."""
        number = _unused(os.getpid() % 10_000 * 4 + next(_numbers) % 4)
        self.name = f"box{number}"
        self.directory = directory
        self.root = directory / "root"
        self.disk = Disk(directory / "disk", megabytes)
        self.devices = [f"{self.disk.name}:{self.disk.number}", f"xvdb:{self.disk.number}"]
        # 10.64.0.0/10 has room for a pair of addresses for each number.
        base = (10 << 24) + (64 << 16) + number % 0xFFFF * 4
        self.outside, self.address = (_dotted(base + host) for host in (1, 2))
        self._groups = directory / "cgroup"
        self._init: subprocess.Popen[bytes] | None = None
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> "Machine":
        try:
            self._make_root()
            self._make_group()
            self._make_network()
            self._furnish()
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut_power()
        self._ends.close()
        self.disk.remove()

    def boot(self, seconds: float = SECONDS) -> None:
        """Switches the box on, and waits until systemd has started what starts at boot."""
        script = self.directory / "init"
        script.write_text(_INIT)
        inner = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork"]
        # Should the tests be killed, so is the box.
        inner += ["--kill-child"]
        inner += ["sh", str(script), str(self.root), *self.devices]
        # The shell joins the group first, so that the namespace begins there.
        joined = f'echo $$ >{self._group}/cgroup.procs; exec "$@"'
        command = ["ip", "netns", "exec", self.name, "sh", "-c", joined, "sh", *inner]
        with open(self.directory / "console", "ab") as console:
            self._init = subprocess.Popen(
                bound_command(command), stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        deadline = time.monotonic() + seconds
        state = ""
        while True:
            # Before systemd is there, the host's would be asked.
            if self._has_begun():
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in ("running", "degraded"):
                return
            if time.monotonic() > deadline or self._init.poll() is not None:
                raise AssertionError(f"the box does not come up: {state}")
            time.sleep(0.1)

    def shut_down(self, seconds: float = SECONDS) -> None:
        """Powers the box off as an operator does: what runs is told to end, and waited for."""
        assert self._init is not None
        self.run("systemctl", "poweroff", check=False)
        self._init.wait(seconds)
        self._init = None

    def reboot(self) -> None:
        """Powers the box off in good order, and on."""
        self.shut_down()
        self.boot()

    def cut_power(self) -> None:
        """Kills every process of the box at once, with nothing told to any."""
        if self._init is None:
            return
        (self._group / "cgroup.kill").write_text("1")
        self._init.wait(SECONDS)
        self._init = None

    def run(
        self,
        *command: str,
        user: str = "root",
        check: bool = True,
        timeout: float = SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command in the box as `user`, as in a shell of theirs."""
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        variables |= {"LANG": "C.UTF-8", **(environment or {})}
        entered = [*self._entering(), "/usr/bin/env", "-i", "-C", "/"]
        entered += [f"{name}={value}" for name, value in variables.items()]
        if user != "root":
            entered += ["runuser", "-u", user, "--"]
        done = subprocess.run(
            [*entered, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def processes(self, *words: str) -> list[int]:
        """The process ids, as the box has them, of the commands that contain all of these words."""
        lines = self.run("ps", "-eo", "pid=,args=").stdout.splitlines()
        found = [line.split(maxsplit=1) for line in lines]
        return [int(pid) for pid, command in found if all(word in command for word in words)]

    def read(self, path: str) -> str:
        """A file of the box, also of its volume; empty where it is not there."""
        return self.run("cat", path, check=False).stdout

    def _entering(self) -> list[str]:
        assert self._init is not None
        return ["nsenter", "--target", str(self._first_process()), "--all", "--"]

    def _has_begun(self) -> bool:
        name = Path(f"/proc/{self._first_process()}/comm")
        return name.exists() and name.read_text() == "systemd\n"

    def _first_process(self) -> int:
        """The host's process id of the box's first process."""
        assert self._init is not None
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        deadline = time.monotonic() + SECONDS
        while not (found := children.read_text().split()):
            if time.monotonic() > deadline or self._init.poll() is not None:
                raise AssertionError(f"the box has ended: see {self.directory / 'console'}")
            time.sleep(0.02)
        return int(found[0])

    def _make_root(self) -> None:
        """An overlay of the image, with the packages that earlier boxes downloaded."""
        for name in ("root", "upper", "scratch"):
            (self.directory / name).mkdir()
        upper, scratch = self.directory / "upper", self.directory / "scratch"
        layers = f"lowerdir={image()},upperdir={upper},workdir={scratch}"
        downloads = upper / "var/cache/apt/archives"
        downloads.mkdir(parents=True)
        share(archives(), downloads)
        self._ends.callback(share, downloads, archives())
        self._mount("-t", "overlay", "overlay", "-o", layers, str(self.root))
        (self.root / WHEELS).mkdir()
        wheels = cache_directory() / "wheels"
        wheels.mkdir(exist_ok=True)
        self._mount("--bind", "-o", "ro", str(wheels), f"{self.root}/{WHEELS}")

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True)
        self._ends.callback(subprocess.run, ["umount", "--lazy", arguments[-1]], check=True)

    def _make_group(self) -> None:
        """A control group for everything in the box, by which all of it can be killed."""
        self._groups.mkdir()
        self._mount("-t", "cgroup2", "cgroup2", str(self._groups))
        self._group = self._groups / self.name
        self._group.mkdir()
        self._ends.callback(self._remove_group)

    def _remove_group(self) -> None:
        for path, _, _ in os.walk(self._group, topdown=False):
            _until_possible(Path(path).rmdir)

    def _make_network(self) -> None:
        """A network of its own, with a veth pair to the host, which hides it behind its address."""
        ip = ("ip", "-netns", self.name)
        _do("ip", "netns", "add", self.name)
        self._ends.callback(_do, "ip", "netns", "delete", self.name)
        _do(
            "ip",
            "link",
            "add",
            self.name,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.name,
        )
        self._ends.callback(
            subprocess.run, ["ip", "link", "delete", self.name], capture_output=True
        )
        _do("ip", "address", "add", f"{self.outside}/30", "dev", self.name)
        _do("ip", "link", "set", self.name, "up")
        _do(*ip, "address", "add", f"{self.address}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            _do(*ip, "link", "set", device, "up", *(("mtu", _mtu()) if device == "eth0" else ()))
        _do(*ip, "route", "add", "default", "via", self.outside)
        _do("nft", "add", "table", "ip", self.name)
        self._ends.callback(_do, "nft", "delete", "table", "ip", self.name)
        chain = "{ type nat hook postrouting priority srcnat; }"
        _do("nft", "add", "chain", "ip", self.name, "out", chain)
        rule = ("ip", "saddr", self.address, "masquerade")
        _do("nft", "add", "rule", "ip", self.name, "out", *rule)
        switch_forwarding(self.name)
        self._ends.enter_context(forwarding())

    def _furnish(self) -> None:
        """What the box has of the host: names, pip's settings, an operator and the checkout."""
        etc = self.root / "etc"
        shutil.copyfile("/etc/resolv.conf", etc / "resolv.conf")
        (etc / "hostname").write_text("box\n")
        (etc / "hosts").write_text("127.0.0.1 localhost box\n")
        (etc / "pip.conf").write_text(self._pip_settings())
        (etc / "fstab").write_text("")
        # A test's box need not survive the host's power cut.
        (etc / "dpkg/dpkg.cfg.d/fast").write_text("force-unsafe-io\n")
        (etc / "systemd/system/mounts.service").write_text(_MOUNTS)
        # Updates of the day hold apt's lock and change files at times of their own.
        for timer in ("apt-daily", "apt-daily-upgrade"):
            (etc / f"systemd/system/{timer}.timer").symlink_to("/dev/null")
        wanted = etc / "systemd/system/local-fs.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / "mounts.service").symlink_to("../mounts.service")
        # Other units are ordered by it; it is there where a service brings the network up.
        network = etc / "systemd/system/multi-user.target.wants/network.target"
        network.symlink_to("/lib/systemd/system/network.target")
        _do("useradd", "--root", str(self.root), "--create-home", "--shell", "/bin/bash", OPERATOR)
        copy = self.root / CHECKOUT.relative_to("/")
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)

    def _pip_settings(self) -> str:
        """As the host's pip fetches; what scripts/test downloaded need not be fetched again."""
        wheels = sorted((self.root / WHEELS).iterdir())
        found = {
            **pip_settings(),
            "find-links": " ".join(f"/{WHEELS}/{path.name}" for path in wheels),
        }
        return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in found.items())

    def put(self, source: Path, place: str) -> None:
        """Copies a file or directory of the host into the box's root disk."""
        target = self.root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def _unused(number: int) -> int:
    """This one, or the next after those of boxes whose tests were killed."""
    while Path(f"/run/netns/box{number}").exists():
        number += 1
    return number


def _do(*command: str) -> None:
    subprocess.run(command, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _dotted(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def _mtu() -> str:
    return Path(f"/sys/class/net/{uplink()}/mtu").read_text().strip()


def _until_possible(action: Callable[[], None], seconds: float = SECONDS) -> None:
    """A control group is busy until the kernel has buried its processes."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            action()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
