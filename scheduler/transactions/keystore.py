"""Opening an encrypted key file, in a child process whose memory goes away with it.

The standard scrypt parameters take 256 MiB for some seconds, and the library a second to import
(geth 1.16.7's files, n=262144); the child gives both back, and a lock lets one run at a time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.errors import Misconfigured, NotYet
from scheduler.locks import Held, hold_when_free
from scheduler.redaction import hide_key
from scheduler.transactions.secrets import private_file

TIME_LIMIT = 120  # seconds; scrypt at n=262144 takes some on the smallest boxes
LOCK = "keystore"  # held, on this box, by whoever opens one

WRONG_PASSWORD = 3
NOT_A_KEYSTORE = 4


def open_keystore(path: Path, password_file: Path) -> PrivateKey:
    """The key in the Web3 secret storage file `path`, whose password is the file's first line.

    Raises Misconfigured: a file is missing, readable to others, not a key file, or the password
    is wrong; NotYet where the box cannot open it now. No message contains a secret.
    """
    private_file(path, "the key file")
    private_file(password_file, "the password file")
    try:
        with hold_when_free(LOCK, TIME_LIMIT):
            status, answer = _ask_child(path, password_file)
    except Held as held:
        raise NotYet(
            f"{held.holder} has been opening a key file for {TIME_LIMIT} s, and one is opened at a "
            "time; end it if it hangs"
        ) from held
    if status == WRONG_PASSWORD:
        raise Misconfigured(
            f"the password in {password_file} does not open {path}; write the right one there"
        )
    if status == NOT_A_KEYSTORE:
        raise Misconfigured(
            f"{path} is not an encrypted key file (Web3 secret storage, version 3); "
            "make one with: geth account new"
        )
    if status != 0:
        # Above all the kernel's killer of what takes too much memory: -9.
        raise NotYet(
            f"{path} could not be opened: the process that tried ended with status {status}; "
            "see whether memory is short: free -m (a standard key file takes 256 MiB for a moment)"
        )
    hide_key(answer)
    return PrivateKey(answer)


def _ask_child(path: Path, password_file: Path) -> tuple[int, bytes]:
    """The child's exit status, and what it wrote."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__, str(path), str(password_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # Not "from" it: it carries what the child wrote.
        raise NotYet(
            f"{path} was not open after {TIME_LIMIT} seconds; "
            "see what keeps the machine busy, or make a key file with: geth account new --lightkdf"
        ) from None
    return child.returncode, child.stdout


def _child(path: str, password_file: str) -> int:
    from eth_keyfile.keyfile import decode_keyfile_json

    password = Path(password_file).read_bytes().split(b"\n")[0].rstrip(b"\r")
    content = Path(path).read_bytes()
    try:
        key = decode_keyfile_json(json.loads(content), password)
    except MemoryError:
        raise
    except Exception as error:  # anything that the library makes of a file that is something else
        # It tells a wrong password by the checksum (MAC) alone.
        return WRONG_PASSWORD if "MAC" in str(error) else NOT_A_KEYSTORE
    os.write(sys.stdout.fileno(), key)
    return 0


if __name__ == "__main__":
    sys.exit(_child(*sys.argv[1:]))
