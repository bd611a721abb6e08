"""`python -m scheduler.devchain.install`: what the development chain needs, ahead of its use.

Without it each part would be fetched by the first program or test that asks, as a surprise of
some seconds, or of minutes for geth.
"""

import sys

import click

from scheduler.devchain.compiler import own_contracts
from scheduler.devchain.moc_contracts import moc_package
from scheduler.devchain.originals import chronologic, future_calls
from scheduler.devchain.toolchain import ToolchainError, anvil_path, clef_path, geth_path


@click.command()
@click.option("--geth", is_flag=True, help="Build geth and clef, too: minutes, once.")
@click.option("--contracts", is_flag=True, help="The contracts alone, for a node of one's own.")
def install(geth: bool, contracts: bool) -> None:
    """Fetch anvil and the contracts of others, and compile the project's own."""
    try:
        future_calls("0.6")
        future_calls("0.7")
        chronologic()
        own_contracts()
        if contracts:
            return
        moc_package()
        if geth:
            geth_path()
            clef_path()
        anvil_path()
    except ToolchainError as error:
        click.echo(f"{error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    install()
