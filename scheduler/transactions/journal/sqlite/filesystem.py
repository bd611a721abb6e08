"""Which file system a path is on, where the journal may not be: one that other machines write to.

SQLite's WAL mode shares memory between processes, and relies on locks, that network file systems
have for each machine alone: two of them would each have a journal of their own in the same file
(sqlite.org/wal.html, "all processes using a database must be on the same host").
"""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

# What GNU stat calls remote (coreutils 9.4, src/stat.c), by the names of mounts. EFS is nfs4.
_REMOTE = (
    "acfs afs ceph cifs coda fhgfs gfs gfs2 gpfs ibrix ipfs k-afs lustre ncpfs nfs nfs4 ocfs2 "
    "panfs smb3 smbfs snfs vboxsf vmhgfs"
)

# Drivers of FUSE that fetch files from elsewhere.
_FETCHED = "ceph-fuse gcsfuse glusterfs goofys mount-s3 rclone s3fs sshfs vmhgfs-fuse"

_NETWORK = {*_REMOTE.split(), *(f"fuse.{name}" for name in _FETCHED.split())}


def network_file_system(path: Path, mounts: Path | None = None) -> str | None:
    """The type of the file system that the path is on, if it is one of the network; else None, as
    where this cannot be found out. `mounts` is a list as the kernel's own, which is the default."""
    try:
        lines = (mounts or MOUNTS).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    place, found, longest = path.resolve(), None, -1
    for line in lines:
        # proc(5): mount id, parent, device, root, mount point, options, …, "-", type, source, …
        fields, _, rest = line.partition(" - ")
        at = Path(_unescaped(fields.split(" ")[4]))
        # The later of two at the same place covers the other.
        if place.is_relative_to(at) and len(at.parts) >= longest:
            found, longest = rest.split(" ")[0], len(at.parts)
    return found if found in _NETWORK else None


def _unescaped(text: str) -> str:
    r"""Blanks and the like are written \040 in the list."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
