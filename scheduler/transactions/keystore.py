"""Opening an encrypted key file, in a child process whose memory goes away with it.

The standard scrypt parameters take 256 MiB for some seconds, and the library a second to import
(facts: keystore files at n=262144); the child gives both back, and a lock lets one run at a time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.errors import Misconfigured
from scheduler.locks import hold_when_free
from scheduler.transactions.secrets import private_file

TIME_LIMIT = 120  # seconds; scrypt at n=262144 takes some on the smallest boxes

WRONG_PASSWORD = 3
NOT_A_KEYSTORE = 4


def open_keystore(path: Path, password_file: Path) -> PrivateKey:
    """The key in the Web3 secret storage file `path`, whose password is the file's first line.

    Raises Misconfigured: a file is missing, readable to others, not a key file, or the password
    is wrong. No message contains a secret.
    """
    private_file(path, "the key file")
    private_file(password_file, "the password file")
    with hold_when_free("keystore"):
        child = subprocess.run(
            [sys.executable, "-m", __name__, str(path), str(password_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIME_LIMIT,
            check=False,
        )
    if child.returncode == WRONG_PASSWORD:
        raise Misconfigured(
            f"the password in {password_file} does not open {path}; write the right one there"
        )
    if child.returncode != 0:
        raise Misconfigured(
            f"{path} is not an encrypted key file (Web3 secret storage, version 3); "
            "make one with: geth account new"
        )
    return PrivateKey(child.stdout)


def _child(path: str, password_file: str) -> int:
    from eth_keyfile.keyfile import decode_keyfile_json

    password = Path(password_file).read_bytes().split(b"\n")[0].rstrip(b"\r")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        key = decode_keyfile_json(content, password)
    except ValueError as error:
        # eth_keyfile tells a wrong password by the checksum (MAC) alone.
        return WRONG_PASSWORD if "MAC" in str(error) else NOT_A_KEYSTORE
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        return NOT_A_KEYSTORE
    os.write(sys.stdout.fileno(), key)
    return 0


if __name__ == "__main__":
    sys.exit(_child(*sys.argv[1:]))
