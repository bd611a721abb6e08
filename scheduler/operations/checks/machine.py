"""What can be wrong with the machine: disks, memory, clock, and files that others can read."""

import os
from collections.abc import Sequence
from pathlib import Path

from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Facts, PrivateFile
from scheduler.operations.wording import count

_SHORT, _SCARCE = 0.10, 0.03
"""Shares of the memory below which what is available is worth knowing, and wrong."""

_FEW_INODES = 1_000


def disk_space(facts: Facts) -> Verdict:
    if facts.disks is None:
        return wrong(
            f"the disks do not answer: {facts.unread.get('disks', 'unknown')}",
            "df -h; dmesg | tail",
        )
    full = [each for each in facts.disks if each.free <= each.least]
    if full:
        disk = full[0]
        return wrong(
            f"the disk of {disk.what} ({disk.path}) is {_used(disk.size, disk.free):.0f} % full, "
            f"{_size(disk.free)} left; the node is stopped below {_size(disk.least)}",
            f"make room, or take a larger volume: du -xh {disk.path} | sort -h | tail",
        )
    scarce = [each for each in facts.disks if each.free < 3 * each.least]
    if scarce:
        disk = scarce[0]
        return worth_knowing(
            f"the disk of {disk.what} ({disk.path}) has {_size(disk.free)} left, "
            f"{_used(disk.size, disk.free):.0f} % are used",
            f"make room, or a larger volume, before it is full: df -h {disk.path}",
        )
    return fine("; ".join(f"{each.what}: {_size(each.free)} free" for each in facts.disks))


def disk_inodes(facts: Facts) -> Verdict:
    for disk in facts.disks or ():
        if disk.free_inodes is not None and disk.free_inodes < _FEW_INODES:
            return wrong(
                f"the disk of {disk.what} ({disk.path}) takes only {disk.free_inodes} more files",
                f"remove files that nobody needs: df -i {disk.path}",
            )
    return fine("there is room for more files") if facts.disks else unknown("no disk was looked at")


def disk_writable(facts: Facts) -> Verdict:
    for disk in facts.disks or ():
        if disk.read_only:
            return wrong(
                f"the disk of {disk.what} ({disk.path}) is mounted read-only",
                f"see why: dmesg | tail; then: sudo mount -o remount,rw {disk.path}",
            )
    return fine("all can be written") if facts.disks else unknown("no disk was looked at")


def memory(facts: Facts) -> Verdict:
    found = facts.memory
    if found is None:
        return unknown(facts.unread.get("memory", "it was not looked at"))
    share = found.available / found.total
    told = f"{_size(found.available)} of {_size(found.total)} memory are available"
    if share < _SCARCE:
        return wrong(told, "see what takes it: ps aux --sort=-rss | head; a larger machine")
    if share < _SHORT:
        return worth_knowing(told, "see what takes it: ps aux --sort=-rss | head")
    return fine(told)


def clock(facts: Facts) -> Verdict:
    found = facts.clock
    if found is None or (found.offset is None and found.synchronised is None):
        return unknown("nothing tells whether the clock is right")
    if found.offset is not None and abs(found.offset) > facts.limits.clock_offset:
        direction = "ahead" if found.offset > 0 else "behind"
        return wrong(
            f"the clock is {abs(found.offset):.0f} s {direction}, going by {found.source}: calls "
            "by time come at the wrong one, and blocks seem older or newer than they are",
            "sudo timedatectl set-ntp true; timedatectl timesync-status",
        )
    if found.offset is not None:
        return fine(f"it is right to {abs(found.offset):.1f} s, going by {found.source}")
    return fine("nothing says that it is wrong")


def synchronised(facts: Facts) -> Verdict:
    found = facts.clock
    if found is None or found.synchronised is None:
        return unknown("the kernel does not say whether its clock is kept right")
    if not found.synchronised:
        return worth_knowing(
            "nothing keeps the clock right: the kernel says that it is not synchronised",
            "sudo timedatectl set-ntp true; timedatectl timesync-status",
        )
    return fine("something keeps it right")


def private(facts: Facts) -> Verdict:
    if facts.files is None:
        return unknown(facts.unread.get("files", "they were not looked at"))
    exposed = _exposed(facts)
    if exposed:
        told = "; ".join(f"{each.what} {each.path} has mode {each.mode}" for each in exposed)
        return wrong(
            f"{told}: others than {exposed[0].owner} may use what is in it",
            f"chmod {exposed[0].wanted.lstrip('0')} {exposed[0].path}; or: scheduler doctor --fix",
        )
    return fine(f"{count(len(facts.files), 'file')} belong to nobody else")


def there(facts: Facts) -> Verdict:
    if facts.files is None:
        return unknown(facts.unread.get("files", "they were not looked at"))
    missing = [each for each in facts.files if each.missing]
    if missing:
        each = missing[0]
        if each.is_directory:
            remedy = "mount its volume: sudo mount -a; where it has none: scheduler doctor --fix"
        else:
            remedy = "correct its path in the configuration; or: scheduler account new"
        return wrong(f"{each.what} {each.path} is not there", remedy)
    return fine("what is configured is there")


def make_private(facts: Facts) -> Sequence[str]:
    """Takes from others what they may do with these files, and leaves the rest of the mode."""
    done = []
    for each in _exposed(facts):
        mode = int(each.mode or "0", 8) & (int(each.wanted, 8) | 0o700)
        os.chmod(each.path, mode)
        done.append(f"chmod {mode:o} {each.path}")
    return done


def make_directories(facts: Facts) -> Sequence[str]:
    """Makes those that are missing where they cannot be below a volume that is not mounted: on a
    mounted one, or in the user's home."""
    done = []
    for each in facts.files or ():
        path = Path(each.path)
        if not each.missing or not each.is_directory:
            continue
        on_volume = os.path.ismount(path.parent) and path.parent != Path("/")
        if on_volume or _at_home(path):
            path.mkdir(mode=0o755, parents=True)
            done.append(f"mkdir {path}")
    return done


def _at_home(path: Path) -> bool:
    return path.is_relative_to(Path("~").expanduser())


def _exposed(facts: Facts) -> list[PrivateFile]:
    return [each for each in facts.files or () if each.exposed]


def _used(size: int, free: int) -> float:
    return 100.0 * (size - free) / size if size else 100.0


def _size(number: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number / 1000:.0f} kB"


CHECKS = (
    Check("disk.space", "there is room on the disks", disk_space),
    Check("disk.inodes", "there is room for files", disk_inodes),
    Check("disk.writable", "the disks can be written", disk_writable, (1,)),
    Check("memory.available", "there is memory", memory),
    Check("clock.right", "the clock is right", clock),
    Check("clock.synchronised", "something keeps the clock right", synchronised),
    Check("files.private", "secrets are nobody else's", private, (7,), fix=make_private),
    Check(
        "files.there",
        "what is configured is there",
        there,
        (),
        ("journal.readable",),
        make_directories,
    ),
)
