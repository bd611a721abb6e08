"""`scheduler jobs …`: which jobs there are, whether they can be done, and how each stands."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from scheduler import config, moc_config
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.model import Head
from scheduler.errors import Misconfigured, NotYet, exit_status
from scheduler.jobs import loading
from scheduler.jobs.declaration import Job
from scheduler.moc.jobs import TASKS
from scheduler.operations import jobs_report
from scheduler.operations.jobs_journal import Past, past_of
from scheduler.operations.jobs_survey import Seen, Survey, look, survey
from scheduler.operations.jobs_wording import call_text, declared, next_period, rhythm_text
from scheduler.operations.journal_file import plainly
from scheduler.operations.wording import aligned, printable
from scheduler.plan import MOC_JOBS, SCHEDULER, Plan
from scheduler.plans import moc_plan, plan_of, plan_with, program_of
from scheduler.redaction import secrets_in, without
from scheduler.roster import Roster
from scheduler.stored_keys import with_stored_keys

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

_LISTED = ("job", "program", "calls", "how often", "urgency", "state")


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why there is no answer, in a line, and the exit status that this makes."""

    line: str
    status: int


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The configuration that is meant: a box's, or one of `moc_jobs`."""

    plan: Plan
    split: bool

    def program(self, job: str) -> str:
        """Which program does the job."""
        return MOC_JOBS if self.plan.program == MOC_JOBS else program_of(job, self.split)

    @property
    def names(self) -> list[str]:
        return [*(str(data["name"]) for data in self.plan.jobs), *self._of_moc]

    @property
    def _of_moc(self) -> Sequence[str]:
        return [] if self.plan.moc is None else [n for n in TASKS if n in self.plan.moc_tasks]

    def must_have(self, names: Sequence[str]) -> None:
        """Raises Misconfigured where one of these is no job."""
        for name in names:
            if name not in self.names:
                there = ", ".join(self.names) or "none: see [[jobs]] and [moc]"
                raise Misconfigured(f"there is no job {name!r}; there are {there}")


def _options(command: Command) -> Command:
    """--config, --network and --json, as all three take them."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="JSON, for programs."),
        click.option(
            "-n", "--network", help="A network of a config.json of moc_jobs.  [default: mocTestnet]"
        ),
        click.option(
            "-c",
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            help="The configuration file; else $SCHEDULER_CONFIG, else "
            "/etc/scheduler/config.toml. One that ends in .json is a config.json of moc_jobs.",
        ),
    ):
        command = decorate(command)
    return command


@click.group()
def jobs() -> None:
    """See which jobs there are, whether they can be done, and how each stands."""


@jobs.command("list")
@_options
def list_(config_file: Path | None, network: str | None, as_json: bool) -> None:
    """List the jobs of the configuration, and which of them are off.

    Ends with 1 where no node answers, with 2 where one has another chain or contract.
    """
    chosen = _chosen(config_file, network, with_key=False)
    trouble, found = _tried(look(chosen.plan), chosen.plan)
    roster = found[2] if found else None
    rows = list(_rows(chosen, roster))
    generation = roster.generation if roster else None
    if as_json:
        for row in rows:
            named = dict(zip(_LISTED, row, strict=True))
            of_moc = row[0] in TASKS and chosen.plan.moc is not None
            click.echo(json.dumps({**named, "generation": generation if of_moc else None}))
    else:
        for text in aligned([_LISTED, *rows]):
            click.echo(text)
        if generation is not None:
            click.echo(f"{chosen.plan.moc} is of the generation {generation}", err=True)
    _end(trouble)


@jobs.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_options
def check(
    names: tuple[str, ...], config_file: Path | None, network: str | None, as_json: bool
) -> None:
    """Ask the node whether the jobs can be done; nothing is sent.

    For each job NAME, or all: whether its contract has the function, what its condition says, what
    its action would do now, and what that may cost. Ends with 1 where something is wrong, with 2
    where the node has another chain or contract than the configuration says.
    """
    chosen = _chosen(config_file, network)
    chosen.must_have(names)
    trouble, found = _tried(survey(chosen.plan, names), chosen.plan)
    if found is None:
        _end(trouble)
        return
    lines = [jobs_report.line(seen, found, chosen.plan) for seen in found.jobs]
    if as_json:
        for seen in found.jobs:
            click.echo(json.dumps(jobs_report.as_json(seen, found, chosen.plan)))
    else:
        for text in aligned([(each.state, each.name, str(each)) for each in lines]):
            click.echo(text)
    if any(each.state == "wrong" for each in lines):
        sys.exit(1)


@jobs.command()
@click.argument("name")
@_options
def explain(name: str, config_file: Path | None, network: str | None, as_json: bool) -> None:
    """Tell what the job NAME is, how it stands, and when it may be done next.

    Ends with 1 where the journal cannot be read, or no node answers, with 2 where one has another
    chain or contract; what is declared is told without a node, too.
    """
    chosen = _chosen(config_file, network)
    chosen.must_have([name])
    trouble, found = _tried(survey(chosen.plan, [name]), chosen.plan)
    program = chosen.program(name)
    with plainly():
        past = past_of(Path(chosen.plan.journal), name, program)
    seen = found.by_name[name] if found else None
    job = seen.job if seen else _declared(chosen.plan, name)
    told = list(_told(job, seen, found, past))
    if as_json:
        click.echo(json.dumps({"name": name, "program": program, "told": told, **past.as_json()}))
    else:
        click.echo(f"{name}, a job of {program}")
        for heading, text in told:
            click.echo(f"  {heading:<13} {printable(text)}")
    _end(trouble)


def _rows(chosen: _Chosen, roster: Roster | None) -> Iterator[tuple[str, ...]]:
    """What LISTED names, of each job; of those of an unknown generation the name alone."""
    states = {job.name: f"off: {why}" for job, why in roster.off()} if roster else {}
    declared = roster.jobs if roster else [loading.job(data) for data in chosen.plan.jobs]
    on = "on" if roster else "not known"
    for job in declared:
        action = job.action
        yield (
            job.name,
            chosen.program(job.name),
            f"{call_text(action.signature, action.arguments, action.contract)} "
            f"of {action.contract}",
            rhythm_text(job),
            job.urgency.value,
            printable(states.get(job.name, on)),
        )
    if chosen.plan.moc is not None:
        there = {job.name for job in declared}
        for name in TASKS:
            if name not in there:
                task = name in chosen.plan.moc_tasks
                why = "not known" if task else "off: it is not among the tasks"
                yield name, chosen.program(name) if task else "-", "-", "-", "-", why


def _told(
    job: Job | None, seen: Seen | None, found: Survey | None, past: Past
) -> Iterator[tuple[str, str]]:
    if job is not None:
        yield from declared(job)
    if seen is not None and found is not None:
        yield from jobs_report.now(seen, found)
    yield "last", past.last
    holding = [*past.held_back_by]
    if seen is not None and found is not None:
        holding += jobs_report.held_back_by(seen, found)
    if past.outlook is not None:
        yield "next", past.outlook
    elif job is not None and found is not None and _is_served(job, found.head, past):
        yield "next", f"in the next period, from {next_period(job, found.head)} on"
    elif holding:
        yield "next", "in the block after the one in which nothing holds it back any more"
    elif seen is not None:
        yield "next", "in the next block"
    for why in holding:
        yield "held back by", why


def _is_served(job: Job, head: Head, past: Past) -> bool:
    return job.every is not None and past.is_done_in(job.every.period(head))


def _declared(plan: Plan, name: str) -> Job | None:
    """The job as the operator declared it; None for one that its contracts declare."""
    found = [loading.job(data) for data in plan.jobs if data["name"] == name]
    return found[0] if found else None


def _chosen(config_file: Path | None, network: str | None, with_key: bool = True) -> _Chosen:
    """The configuration that the options mean; its key only where it is needed. Raises
    Misconfigured."""
    if network is None and (config_file is None or config_file.suffix != ".json"):
        settings = config.load(config_file)
        plan = (
            plan_of(SCHEDULER, settings, patient=False)
            if with_key
            else plan_with(SCHEDULER, settings, None, patient=False)
        )
        return _Chosen(plan, settings.moc.split)
    box = config.load(None)
    key_file = box.signer == "keystore" or not with_key
    environment = with_stored_keys(os.environ) if with_key else os.environ
    moc = moc_config.load(config_file, network, environment, key_file=key_file)
    return _Chosen(moc_plan(moc, box, patient=False), split=False)


def _tried(asking: Coroutine[Any, Any, T], plan: Plan) -> tuple[_Trouble | None, T | None]:
    """What the node answers; or why it does not."""
    try:
        return None, asyncio.run(asking)
    except (NotYet, NodeUnavailable, RpcError) as error:
        # A node's own words may repeat the key in its URL, and be of many lines.
        secrets = [
            secret for each in (plan.endpoint, *plan.fallbacks) for secret in secrets_in(each)
        ]
        # As of a program that is run by hand: who answers tells what is wrong with what was asked.
        status = exit_status(error) if isinstance(error, NotYet) else 1
        return _Trouble(" ".join(without(secrets, str(error)).split()), status), None


def _end(trouble: _Trouble | None) -> None:
    if trouble is not None:
        click.echo(f"scheduler: {printable(trouble.line)}", err=True)
        sys.exit(trouble.status)
