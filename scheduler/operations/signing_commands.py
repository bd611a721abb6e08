"""`scheduler config clef` and `needs`: what follows from the rules by which is signed."""

from collections.abc import Sequence
from pathlib import Path

import click

from scheduler import config
from scheduler.bounds import rule_book
from scheduler.errors import Misconfigured
from scheduler.jobs import loading
from scheduler.operations.clef_rules import rules_file
from scheduler.plan import SCHEDULER
from scheduler.plans import plan_with
from scheduler.transactions.rules import Rule

# The most gas that a transaction may have (EIP-7825).
_GAS_LIMIT = 16_777_216

_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; else $SCHEDULER_CONFIG, else /etc/scheduler/config.toml.",
)


@click.command()
@_config_option
def clef(config_file: Path | None) -> None:
    """Print the rules by which clef signs on this box; provision/setup.sh installs them."""
    click.echo(rules_file(_rules(config.load(config_file))), nl=False)


@click.command()
@_config_option
def needs(config_file: Path | None) -> None:
    """Print how much ether the account should have at least: twice what one transaction may cost.

    That is the most gas at fees.max-gas-price, where that is set, or the most that the signing
    rules allow, and what is sent along.
    """
    settings = config.load(config_file)
    ceiling = settings.fees.max_gas_price
    costs = [
        rule.max_value
        + min(rule.max_gas_cost, rule.max_gas_cost if ceiling is None else _GAS_LIMIT * ceiling)
        for rule in _rules(settings)
    ]
    wei = 2 * max(costs)
    click.echo(f"{wei / 10**18:.6g} ether")


def _rules(settings: config.Settings) -> Sequence[Rule]:
    """Those of the alarm clock and of declared jobs. Raises Misconfigured.

    Those of Money on Chain name contracts that are found out on its chain; and its nodes, rskj,
    work without clef.
    """
    if settings.moc.address is not None:
        raise Misconfigured(
            "the rules for [moc] are known only once its chain was read; "
            'its account signs with signer = "keystore"'
        )
    plan = plan_with(SCHEDULER, settings, None, patient=True)
    return rule_book(plan, [loading.job(data) for data in settings.jobs]).rules()
