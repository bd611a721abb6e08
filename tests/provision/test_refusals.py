"""What setup refuses on a bare box, told in one line with what to do, and nothing was changed.

Then the smallest box there is: no node, a key file, and a URL with a key of a provider in it.
"""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.provision.machine import OPERATOR, Disk, Machine
from tests.provision.operating import SETUP, eventually, listens, log, reach, set_up

DEV = ("--network", "dev", "--node-binary", "/home/ubuntu/geth", "--yes")


def refusal(box: Machine, *options: str, status: int = 2, entering: tuple[str, ...] = ()) -> str:
    """The one line with which setup ends; `entering` is what it is called through."""
    environment = {"SUDO_USER": OPERATOR}
    done = box.run(*entering, SETUP, *options, check=False, environment=environment)
    assert done.returncode == status, done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    return line


@contextmanager
def disk(box: Machine, megabytes: int = 2000) -> Iterator[Disk]:
    """Another disk of the box, /dev/xvdc, until the end of a test."""
    added = Disk(box.directory / "another", megabytes)
    box.run("mknod", "/dev/xvdc", "b", "7", str(added.number))
    try:
        yield added
    finally:
        box.run("rm", "/dev/xvdc")
        added.remove()


def content(of: Disk) -> str:
    """A digest of where a file system, a partition table or a signature would be."""
    with open(of.file, "rb") as file:
        return hashlib.sha256(file.read(1 << 26)).hexdigest()


def prepared(added: Disk, *command: str, given: str = "") -> str:
    """Has the host's `command` write on the disk; a digest of what is on it then."""
    subprocess.run(
        [*command, f"/dev/{added.name}"], input=given, text=True, check=True, capture_output=True
    )
    subprocess.run(["sync"], check=True)
    return content(added)


@pytest.mark.parametrize(
    ("command", "given", "reason"),
    [
        (["mkswap"], "", "it carries data (swap)"),
        (["mkfs.ext4", "-q"], "", "it carries data (ext4)"),
        (["sfdisk", "--quiet", "--no-reread"], "label: gpt\n,\n", "gpt"),
    ],
    ids=["swap", "formatted", "partitioned"],
)
def test_a_disk_that_carries_something_is_not_formatted(
    bare_box: Machine, command: list[str], given: str, reason: str
) -> None:
    with disk(bare_box) as added:
        before = prepared(added, *command, given=given)
        script = "source $0/lib.sh; source $0/steps/20-volume.sh; why_not_format /dev/xvdc"
        provision = str(Path(SETUP).parent)
        said = bare_box.run("bash", "-c", script, provision).stdout
        assert reason in said or "it has partitions" in said
        if command[0] == "mkfs.ext4":
            # Named by the operator, a file system is taken as it is.
            taken = set_up(bare_box, *DEV, "--device", "/dev/xvdc", "--dry-run")
            assert "the file system on it (ext4) stays as it is" in taken
        else:
            line = refusal(bare_box, *DEV, "--device", "/dev/xvdc")
            assert "/dev/xvdc is left alone: " in line
            assert "empty it yourself: wipefs --all" in line
        assert content(added) == before


def test_a_mounted_disk_is_not_formatted(bare_box: Machine) -> None:
    with disk(bare_box) as added:
        prepared(added, "mkfs.ext4", "-q")
        bare_box.run("mount", "/dev/xvdc", "/mnt")
        try:
            line = refusal(bare_box, *DEV, "--device", "/dev/xvdc")
        finally:
            bare_box.run("umount", "/mnt")
    assert line.endswith("it is mounted at /mnt. Name an empty disk with --device")


# Becomes a command whose root file system is on /dev/xvdc, with the box's directories in it.
ROOT_ON_DISK = """\
set -e
mount -o ro /dev/xvdc /mnt
for each in /*/; do
    case $each in /mnt/) continue ;; esac
    [ -L "${each%/}" ] || mount --rbind "$each" "/mnt$each"
done
exec chroot /mnt "$@"
"""


def test_the_disk_of_the_root_file_system_is_refused(bare_box: Machine, tmp_path: Path) -> None:
    for each in bare_box.root.iterdir():
        if each.is_symlink():
            (tmp_path / each.name).symlink_to(each.readlink())
        elif each.is_dir():
            (tmp_path / each.name).mkdir()
    entering = ("unshare", "--mount", "sh", "-c", ROOT_ON_DISK, "sh")
    with disk(bare_box) as added:
        before = prepared(added, "mkfs.ext4", "-q", "-d", str(tmp_path))
        root = bare_box.run(*entering, "findmnt", "--noheadings", "--output", "SOURCE", "/").stdout
        assert root == "/dev/xvdc\n"
        fstab = bare_box.read("/etc/fstab")
        line = refusal(bare_box, *DEV, "--device", "/dev/xvdc", entering=entering)
        # No word of how to empty it.
        assert line.endswith(
            "/dev/xvdc is left alone: it holds the root file system. "
            "Name an empty disk with --device"
        )
        assert content(added) == before
    assert bare_box.read("/etc/fstab") == fstab
    assert bare_box.run("ls", "/data", check=False).returncode == 2


def test_a_disk_that_is_too_small_is_refused(bare_box: Machine) -> None:
    with disk(bare_box, megabytes=500):
        line = refusal(bare_box, *DEV, "--device", "/dev/xvdc")
    assert "/dev/xvdc has 0 GB; dev with node geth needs 1: attach a larger volume" in line


def test_without_a_disk_it_says_what_there_is(bare_box: Machine) -> None:
    assert "there is no unused disk: attach a volume" in refusal(bare_box, *DEV)
    line = refusal(bare_box, *DEV, "--device", "/dev/sdz")
    assert "there is no disk /dev/sdz; there are: " in line


def test_only_root_can_set_up(bare_box: Machine) -> None:
    done = bare_box.run(SETUP, *DEV, user=OPERATOR, check=False)
    assert done.returncode == 2
    assert f"this must be run by root: sudo {SETUP} --network dev" in done.stderr


def test_another_distribution_is_refused(bare_box: Machine) -> None:
    bare_box.run("sh", "-c", "echo 'ID=debian\nVERSION_ID=11' >/tmp/os-release")
    bare_box.run("mount", "--bind", "/tmp/os-release", "/usr/lib/os-release")
    try:
        line = refusal(bare_box, *DEV, "--device", "/dev/xvdb")
    finally:
        bare_box.run("umount", "/usr/lib/os-release")
    assert "this is debian 11; it works on Ubuntu 22.04 and 24.04, and on Debian 12" in line


def test_a_node_that_debian_has_not_must_be_given(bare_box: Machine) -> None:
    line = refusal(bare_box, "--network", "dev", "--yes")
    assert "Debian has no packages of geth: give it with --node-binary PATH" in line
    line = refusal(bare_box, "--network", "dev", "--node-binary", "/no/geth")
    assert "there is no file /no/geth" in line


def test_without_a_network_or_a_terminal_the_option_is_named(bare_box: Machine) -> None:
    assert "name a network: --network mainnet|sepolia|" in refusal(bare_box)
    assert "there is no network 'ropsten'; there are: mainnet" in refusal(
        bare_box, "--network", "ropsten"
    )


def test_a_port_in_use_is_told_with_who_has_it(bare_box: Machine) -> None:
    bare_box.run(
        "systemd-run",
        "--quiet",
        "--unit=taker",
        "--property=Type=exec",
        "systemd-socket-activate",
        "--listen=127.0.0.1:8545",
        "cat",
    )
    try:
        eventually(lambda: listens(bare_box, 8545), "the port is taken")
        line = refusal(bare_box, *DEV, "--device", "/dev/xvdb")
    finally:
        bare_box.run("systemctl", "stop", "taker")
    assert "port 8545, which devchain needs, is in use (systemd-socket" in line


def test_without_the_registries_the_step_names_its_log_and_how_to_go_on(bare_box: Machine) -> None:
    bare_box.run("ip", "link", "set", "eth0", "down")
    try:
        line = refusal(bare_box, *DEV, "--device", "/dev/xvdb", status=1)
    finally:
        bare_box.run("ip", "link", "set", "eth0", "up")
        bare_box.run("ip", "route", "add", "default", "via", bare_box.outside)
    assert "packages: could not read the package lists" in line
    assert f"then run again: sudo {SETUP} --network dev" in line
    assert "no package registry could be reached: check the network" in bare_box.read(
        "/var/log/scheduler-setup/packages.log"
    )
    assert not bare_box.run("sh", "-c", "blkid /dev/xvdb", check=False).stdout


URL = "http://127.0.0.1:8545/v3/0123456789abcdef0123456789abcdef"
ELSEWHERE = ("--network", "sepolia", "--node", "none", "--rpc-url", URL)


def typed(box: Machine, answers: str, *options: str) -> str:
    """What setup says on a terminal where `answers` are typed, and its exit status at the end."""
    command = shlex.join([SETUP, *options])
    script = (
        f"printf '{answers}' | script --quiet --return --command {shlex.quote(command)} /dev/null"
    )
    environment = {"SUDO_USER": OPERATOR}
    done = box.run("sh", "-c", script, check=False, environment=environment)
    return done.stdout.replace("\r", "") + f"status {done.returncode}"


def test_on_a_terminal_it_asks_with_the_defaults_shown(bare_box: Machine) -> None:
    dry = ("--node-binary", "/home/ubuntu/geth", "--device", "/dev/xvdb", "--dry-run")
    said = typed(bare_box, r"dev\n\n\n\n", *dry)
    assert (
        "Network (mainnet sepolia hoodi rsk-mainnet rsk-testnet rsk-regtest dev) [sepolia]: "
        in said
    )
    assert "Node on this box (geth, rskj, none) [geth]: " in said
    assert "Who signs (clef, node, keystore) [node]: " in said
    assert "Programs [scheduler]: " in said
    assert "== setting up: dev, node geth, signer node, programs scheduler (dry run" in said
    assert said.endswith("status 0")


@pytest.fixture(scope="module")
def small(bare_box: Machine) -> Machine:
    """The box, set up without a node; at first its disk was not to be formatted."""
    options = (*ELSEWHERE, "--device", "/dev/xvdb", "--autostart")
    said = typed(bare_box, r"n\n", *options)
    assert re.search(r"make an ext4 file system on /dev/\w+ \(2 GB, empty\)\? \[y/N\] ", said)
    assert "was not formatted: name another with --device" in said
    assert said.endswith("status 2")
    assert not bare_box.run("sh", "-c", "blkid /dev/xvdb", check=False).stdout
    said = typed(bare_box, r"y\n", *options)
    assert said.endswith("status 0"), said
    assert re.search(r"the account is 0x[0-9a-f]{40}: send it at least 4 ether\n", said)
    assert "0123456789abcdef" not in said
    return bare_box


def test_a_box_without_node_has_a_key_file_that_its_user_alone_reads(small: Machine) -> None:
    listed = "find /etc/scheduler -type f -printf '%m %u %f\\n' | sort"
    assert small.run("sh", "-c", listed).stdout.splitlines() == [
        "600 scheduler config.toml",
        "600 scheduler key.json",
        "600 scheduler key.password",
        "644 root firewall-ports",
    ]
    assert "== nothing had to be changed\n" in set_up(small, *ELSEWHERE)
    shown = small.run("nft", "list", "table", "inet", "scheduler_kit").stdout
    assert "tcp dport 22 accept" in shown
    assert "30303" not in shown


def test_a_program_that_was_to_start_at_boot_waits_for_its_node(small: Machine) -> None:
    reach(small, {"scheduler": "RUNNING", "scheduler-monitor": "RUNNING"})
    eventually(lambda: "Waiting" in log(small), "the scheduler says what it waits for")
    assert "0123456789abcdef" not in log(small)


def test_options_that_contradict_the_configuration_are_refused(small: Machine) -> None:
    line = refusal(small, "--network", "mainnet")
    assert "this box is set up with network = sepolia in /etc/scheduler/config.toml" in line


def test_a_missing_password_file_is_refused_with_the_command_that_mends_it(small: Machine) -> None:
    password = "/etc/scheduler/keys/key.password"
    small.run("mv", password, "/srv/kept")
    line = refusal(small)
    assert f"the file {password} is missing: put it back from your copy" in line
    small.run("mv", "/srv/kept", password)
    assert "== nothing had to be changed\n" in set_up(small)
