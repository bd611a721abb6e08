"""Files that hold a secret: read only when nobody else can read them."""

import os
import shlex
import stat
from pathlib import Path

from scheduler.errors import Misconfigured


def private_file(path: Path, what: str) -> Path:
    """`path`, if it is a file that belongs to the user who runs this and to nobody else's eyes.

    Raises Misconfigured with the command that mends it. `what` names the file to the operator.
    """
    quoted = shlex.quote(str(path))
    try:
        status = path.stat()
    except OSError as error:
        raise Misconfigured(
            f"{what} {path} cannot be read: {error.strerror}; write it, then: chmod 600 {quoted}"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise Misconfigured(f"{what} {path} is not a file; give the path of the file itself")
    if status.st_uid != os.geteuid():
        raise Misconfigured(
            f"{what} {path} belongs to another user; run: sudo chown $(id -un) {quoted}"
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(f"{what} {path} can be read by others; run: chmod 600 {quoted}")
    return path
