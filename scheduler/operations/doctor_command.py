"""`scheduler doctor`: what is wrong on this box, and the command that mends it."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from scheduler import config
from scheduler.operations import liveness
from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.checks.registry import CHECKS, findings
from scheduler.operations.facts.gatherer import looked_once
from scheduler.operations.facts.model import Facts
from scheduler.operations.journal_file import config_option
from scheduler.operations.wording import lenient_output, printable

_MARKS = {Level.OK: "ok", Level.UNKNOWN: "?", Level.WARN: "warn", Level.FAIL: "FAIL"}


@click.command()
@click.option("--json", "for_programs", is_flag=True, help="For programs: one object per check.")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend: modes, directories.")
@click.option(
    "--liveness",
    "only_liveness",
    is_flag=True,
    help="Only whether the programs here turn, and their database: what a new start mends.",
)
@config_option
def doctor(for_programs: bool, fix: bool, only_liveness: bool, config_file: Path | None) -> None:
    """Look at everything that can be wrong with this box; exit status 1 where something is."""
    if only_liveness:
        if for_programs or fix:
            raise click.UsageError("--liveness goes with neither --json nor --fix")
        _tell_liveness(config.load(config_file))
        return
    lenient_output()
    settings, source = config.load(config_file), config.source(config_file)
    facts = asyncio.run(looked_once(settings, source))
    if fix and _mended(facts):
        facts = asyncio.run(looked_once(settings, source))
    found = findings(facts)
    if for_programs:
        click.echo(json.dumps([_plain(each) for each in found], indent=2))
    else:
        _tell(found)
    if any(each.level is Level.FAIL for each in found):
        sys.exit(1)


def _tell_liveness(settings: config.Settings) -> None:
    fine, line = liveness.report(settings.journal_file())
    if not fine:
        click.echo(f"scheduler: {line}", err=True)
        sys.exit(1)
    click.echo(line)


def _mended(facts: Facts) -> list[str]:
    """What was mended, and says so on standard error: --json is for programs."""
    done: list[str] = []
    failed = {each.check for each in findings(facts) if each.level is Level.FAIL}
    for check in CHECKS:
        if check.fix is None or check.name not in failed:
            continue
        try:
            done += check.fix(facts)
        except OSError as error:
            click.echo(f"{check.name} cannot be mended by this user: {error}", err=True)
    for line in done:
        click.echo(f"mended: {line}", err=True)
    return done


def _tell(found: Sequence[Finding]) -> None:
    width = max(len(each.check) for each in found)
    for each in found:
        click.echo(f"{_MARKS[each.level]:<4}  {each.check:<{width}}  {printable(each.reason)}")
        if each.level in (Level.WARN, Level.FAIL):
            click.echo(f"{'':{width + 8}}→ {printable(each.remedy)}; see {each.page}")
    bad = sum(each.level is Level.FAIL for each in found)
    doubtful = sum(each.level is Level.WARN for each in found)
    click.echo(f"{len(found)} checks: {bad} wrong, {doubtful} worth knowing")


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "title": finding.title,
        "level": finding.level.value,
        "reason": finding.reason,
        "remedy": finding.remedy,
        "page": finding.page,
        "invariants": list(finding.invariants),
    }
