"""Encrypted key files made here, each with a password that nobody has to think of."""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from scheduler.chain.model import Address
from scheduler.errors import Misconfigured
from scheduler.transactions.keystore import open_keystore

# scrypt's cost, as geth's --lightkdf has it: a moment and little memory, where the standard cost
# takes 256 MiB. The password has 256 random bits, so no cost is needed to make guessing it hard.
LIGHT = 4096


def make_key_file(path: Path, password_file: Path) -> Address:
    """Writes a new key and its password to files that only this user can read; its address.

    What was written is opened once, as a program will. Never overwrites: raises Misconfigured
    where a file is there, or cannot be made; NotYet where the box cannot open it now.
    """
    for each, what in ((path, "the key file"), (password_file, "the password file")):
        if os.path.lexists(each):
            raise Misconfigured(
                f"{what} {each} is there already, and is never overwritten: an account may have "
                "ether; name another file, or see: scheduler account show"
            )
    password = secrets.token_urlsafe(32)
    made: list[Path] = []
    try:
        _write(password_file, password + "\n", made)
        _write(path, json.dumps(_encrypted(password)), made)
        key = open_keystore(path, password_file)
    except BaseException:
        # Nobody knows the address yet.
        for each in made:
            with suppress(OSError):
                each.unlink()
        raise
    return str(key.public_key.to_address())


def address_in(path: Path) -> Address:
    """The address that a key file says it is of; only opening it proves that.

    Raises Misconfigured.
    """
    try:
        address = str(json.loads(path.read_text())["address"])
        return "0x" + bytes.fromhex(address.removeprefix("0x")).hex()
    except OSError as error:
        raise Misconfigured(
            f"the key file {path} cannot be read: {error.strerror}; "
            f"correct [keystore], or make one with: scheduler account new"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} does not say of which account it is; "
            "make a key file with: scheduler account new"
        ) from error


def _encrypted(password: str) -> dict[str, object]:
    from coincurve import PrivateKey
    from eth_keyfile.keyfile import create_keyfile_json

    key = PrivateKey().secret
    content = create_keyfile_json(key, password.encode(), kdf="scrypt", iterations=LIGHT)
    # As geth writes it.
    return {**content, "address": content["address"].lower()}


def _write(path: Path, text: str, made: list[Path]) -> None:
    """A new file that is on the disk when this returns."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        made.append(path)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be made: {error.strerror}; name another place, or run it as the user "
            "of the programs"
        ) from error
