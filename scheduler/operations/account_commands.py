"""`scheduler account …`: makes the key file that signs, and shows which accounts there are."""

import asyncio
import os
from pathlib import Path

import click

from scheduler import config
from scheduler.chain.connection import connect
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Address
from scheduler.chain.node import JsonRpcNode
from scheduler.errors import Misconfigured
from scheduler.operations.keyfiles import address_in, make_key_file
from scheduler.redaction import secrets_in, without
from scheduler.stored_keys import with_stored_keys
from scheduler.transactions.environment import keys_in

# Beside the configuration of a box, else of a user.
BOX_KEYS = Path("/etc/scheduler")
USER_KEYS = Path("~/.config/scheduler-kit")

_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)


@click.group()
def account() -> None:
    """The accounts that sign."""


@account.command()
@click.argument("key_file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="Where the password goes; else beside the key file, as NAME.password.",
)
@_config_option
def new(key_file: Path | None, password_file: Path | None, config_file: Path | None) -> None:
    """Make a new account: an encrypted key file and a file with its password.

    KEY_FILE is where the key goes; else where [keystore] says, else key.json in /etc/scheduler,
    or in ~/.config/scheduler-kit. Nothing is ever overwritten.
    """
    settings = config.load(config_file)
    named = settings.keystore
    if key_file is None and named is not None:
        key_file, password_file = named.file, password_file or named.password_file
    key_file = (key_file or _default_directory() / "key.json").expanduser().absolute()
    password_file = (password_file or key_file.with_suffix(".password")).expanduser().absolute()
    address = make_key_file(key_file, password_file)
    click.echo(address)
    click.echo(f"its key file       {key_file}")
    click.echo(f"its password file  {password_file}")
    click.echo(
        "Keep a copy of both where nobody else can read them: without them, what the account "
        "has is lost."
    )
    if (
        settings.signer == "keystore"
        and named is not None
        and (named.file, named.password_file) == (key_file, password_file)
    ):
        click.echo(f"Next: send ether to {address}")
        return
    click.echo("Next: send ether to it, and write into the configuration:\n")
    click.echo(
        f'signer = "keystore"\n\n[keystore]\nfile = "{key_file}"\npassword-file = "{password_file}"'
    )


@account.command()
@_config_option
def show(config_file: Path | None) -> int:
    """Show the accounts in the key file, in the environment and in the node, and which one sends.

    Ends with 1 where the one that sends cannot be told.
    """
    settings = config.load(config_file)
    found: list[tuple[Address, str, str]] = []
    if settings.keystore is not None:
        path = settings.keystore.file
        found.append((address_in(path), "keystore", f"key file {path}"))
    found += [
        (key.public_key.to_address(), "environment", "environment")
        for key in keys_in(with_stored_keys(os.environ))
    ]
    trouble = None
    try:
        found += [(address, "node", "node") for address in asyncio.run(_of_node(settings.rpc_url))]
    except (NodeUnavailable, RpcError) as error:
        # A node's own words may repeat the key in its URL, and be of many lines.
        trouble = " ".join(without(secrets_in(settings.rpc_url), str(error)).split())
    sends = [
        address
        for address, signer, _ in found
        if signer == settings.signer and settings.account in (None, address)
    ][:1]
    for address, signer, where in found:
        mark = "  sends" if signer == settings.signer and [address] == sends else ""
        click.echo(f"{address}  {where}{mark}")
    if trouble is not None:
        click.echo(f"the node's accounts are not known: {trouble}", err=True)
    if not sends:
        click.echo(
            f'none of them sends: signer = "{settings.signer}" has no such account', err=True
        )
        return 1
    return 0


async def _of_node(rpc_url: str) -> list[Address]:
    try:
        node = JsonRpcNode(connect(rpc_url))
    except ValueError as error:
        raise Misconfigured(f"rpc-url: {error}") from error
    try:
        return await node.accounts()
    finally:
        await node.close()


def _default_directory() -> Path:
    return BOX_KEYS if BOX_KEYS.is_dir() else USER_KEYS.expanduser()
