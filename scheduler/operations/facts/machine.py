"""The machine: file systems, memory, the clock, and the files that are nobody else's business."""

import ctypes
import os
import pwd
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scheduler.chain.endpoint import secrets_in
from scheduler.config import Settings
from scheduler.operations.facts.model import Disk, Memory, PrivateFile

LOGS = Path("/var/log/supervisor")

# provision/disk-guard stops the node below this: a twentieth, of a large volume 10 GB.
_LEAST_SHARE, _LEAST_BYTES = 20, 10_000 * 2**20

# Of adjtimex(2), linux/timex.h: what it returns while the clock is not synchronised.
_TIME_ERROR = 5

# From 1900, where NTP's seconds begin, to 1970 (RFC 5905, section 6).
_NTP_EPOCH = 2_208_988_800
_NTP_PORT = 123
_NTP_SECONDS = 3.0


def disks(settings: Settings) -> tuple[Disk, ...]:
    """The file systems of the journal and of the logs, each once. Raises OSError."""
    places = (
        (settings.journal_file().parent, "the journal"),
        (LOGS, "the logs"),
        (Path("/"), "the system"),
    )
    found: dict[int, Disk] = {}
    for path, what in places:
        if path.is_dir():
            found.setdefault(path.stat().st_dev, _disk(path, what))
    return tuple(found.values())


def _disk(path: Path, what: str) -> Disk:
    of = os.statvfs(path)
    size = of.f_blocks * of.f_frsize
    return Disk(
        path=str(path),
        what=what,
        size=size,
        free=of.f_bavail * of.f_frsize,
        least=min(size // _LEAST_SHARE, _LEAST_BYTES),
        # Some file systems, such as btrfs, have no limit, and say 0.
        free_inodes=of.f_favail if of.f_files else None,
        read_only=bool(of.f_flag & os.ST_RDONLY),
    )


def memory() -> Memory:
    """From /proc/meminfo (proc(5)), whose unit is 1,024 bytes. Raises OSError."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return Memory(total, available)


def synchronised() -> bool | None:
    """Whether the kernel says that something keeps its clock right (adjtimex(2)); None where it
    does not say."""
    if sys.platform != "linux":
        return None
    # Larger than struct timex is anywhere; with modes = 0 nothing is changed.
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    return None if answer < 0 else answer != _TIME_ERROR


def ahead_of(server: str) -> float:
    """By how many seconds this clock is ahead of the time server's (SNTP, RFC 5905, section 14).

    Raises OSError where it does not answer.
    """
    host, port = _host_and_port(server)
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as asking:
        asking.settimeout(_NTP_SECONDS)
        asking.connect(address)
        # Version 4, mode 3: a client's question.
        asking.send(bytes([0x23]) + bytes(47))
        asked_at = time.time()
        answer = asking.recv(512)
        answered_at = time.time()
    if len(answer) < 48 or answer[0] & 7 != 4:
        raise OSError(f"{server} does not answer as a time server")
    received, sent = (_ntp(answer[at : at + 8]) for at in (32, 40))
    return ((asked_at - received) + (answered_at - sent)) / 2


def _ntp(stamp: bytes) -> float:
    whole, fraction = struct.unpack("!II", stamp)
    return float(whole - _NTP_EPOCH + fraction / 2**32)


def _host_and_port(server: str) -> tuple[str, int]:
    host, separator, port = server.rpartition(":")
    if separator and port.isdigit() and (not host.count(":") or host.endswith("]")):
        return host.strip("[]"), int(port)
    return server.strip("[]"), _NTP_PORT


def files(settings: Settings, config_file: Path | None) -> tuple[PrivateFile, ...]:
    """Those that hold secrets, or that only the programs may write, as this user finds them."""
    return tuple(_file(*each) for each in _private(settings, config_file))


def _private(settings: Settings, config_file: Path | None) -> Iterator[tuple[Path, str, int, bool]]:
    """Path, what it is, the most that its mode may be, and whether it is a directory."""
    if settings.signer == "keystore" and settings.keystore is not None:
        yield settings.keystore.file, "the key file", 0o600, False
        yield settings.keystore.password_file, "the password file", 0o600, False
    if settings.journal_password_file is not None:
        yield settings.journal_password_file, "the journal's password file", 0o600, False
    if settings.monitor.email is not None and settings.monitor.email.password_file is not None:
        yield settings.monitor.email.password_file, "the mail password's file", 0o600, False
    if config_file is not None and any(secrets_in(url) for _, url in settings.urls):
        yield config_file, "the configuration, which has secrets in it", 0o600, False
    if settings.journal_password_file is not None:
        yield settings.journal_password_file, "the journal password's file", 0o600, False
    journal = settings.journal_file()
    yield journal.parent, "the journal's directory", 0o755, True
    if journal.exists():
        yield journal, "the journal", 0o644, False


def _file(path: Path, what: str, wanted: int, is_directory: bool) -> PrivateFile:
    mode = owner = None
    missing, exposed = False, False
    try:
        status = path.stat()
    except FileNotFoundError:
        missing = True
    except PermissionError:
        # Whoever may not even look for it cannot tell more; the programs' user can.
        pass
    else:
        mode, owner = stat.S_IMODE(status.st_mode), _name(status.st_uid)
        exposed = bool(mode & ~wanted & 0o077)
    return PrivateFile(
        path=str(path),
        what=what,
        missing=missing,
        mode=None if mode is None else f"{mode:04o}",
        owner=owner,
        wanted=f"{wanted:04o}",
        exposed=exposed,
        is_directory=is_directory,
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
