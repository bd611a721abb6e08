"""From a box's settings, or a config.json of `moc_jobs`, to the plan of a program."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from scheduler import config
from scheduler.errors import Misconfigured
from scheduler.moc_config import MocConfig
from scheduler.plan import MOC_JOBS, MOC_PROGRAMS, SCHEDULER, Plan
from scheduler.stored_keys import with_stored_keys
from scheduler.transactions.environment import key_for
from scheduler.transactions.journal.location import directory_of, is_there
from scheduler.transactions.shadow import REMARK as SHADOW

# Whether what is mounted there outlives the container cannot be seen from within.
_LOST = (
    "there is no journal at {journal} yet; where each container begins so, what was sent before is "
    "forgotten, and each waits in quarantine: give {directory} a volume that outlives the "
    "container, or keep the journal in a PostgreSQL database, "
    "SCHEDULER_JOURNAL=postgresql://USER@HOST/DATABASE"
)


def plan_of(
    program: str,
    settings: config.Settings,
    patient: bool,
    environment: Mapping[str, str] = os.environ,
) -> Plan:
    """What this program is to be on a box with these settings. Raises Misconfigured."""
    return plan_with(program, settings, key_in(settings, environment), patient)


def share(plan: Plan, split: bool) -> Plan:
    """The plan without what is other programs' work on this box. Raises Misconfigured."""
    if plan.program in MOC_PROGRAMS:
        own = [name for name in MOC_PROGRAMS[plan.program] if name in plan.moc_tasks]
        if plan.moc is None or not own:
            raise Misconfigured(
                f"nothing is configured that {plan.program} does: set address in [moc], and name "
                f"{' or '.join(MOC_PROGRAMS[plan.program])} in its tasks if you name any"
            )
        others = tuple(name for name in plan.moc_tasks if name not in own)
        return replace(plan, left_to_others=others, jobs=(), contracts=())
    if not split:
        return plan
    if not (plan.jobs or plan.contracts):
        raise Misconfigured(
            f"nothing is left that {plan.program} does: with split = true in [moc] run "
            f"{', '.join(MOC_PROGRAMS)}, or configure [alarm] or [[jobs]]"
        )
    return replace(plan, left_to_others=tuple(plan.moc_tasks))


def program_of(job: str, split: bool) -> str:
    """Which program of a box does the job with this name, where the box runs by its settings."""
    for program, names in MOC_PROGRAMS.items():
        if split and job in names:
            return program
    return SCHEDULER


def moc_plan(moc: MocConfig, box: config.Settings, patient: bool) -> Plan:
    """What `moc_jobs` is to be; what its configuration does not know is as on the rest of the box:
    the journal, the budget."""
    named = moc.key is not None or moc.account is not None
    plan = plan_with(MOC_JOBS, box, moc.key.to_bytes().hex() if moc.key else None, patient)
    return replace(
        plan,
        endpoint=moc.endpoints[0],
        fallbacks=moc.endpoints[1:],
        network=None,
        chain_id=moc.chain_id,
        contracts=(),
        account=moc.account if named else plan.account,
        key_file=None if named else plan.key_file,
        password_file=None if named else plan.password_file,
        clef=None if moc.key else plan.clef,
        min_tip=max(plan.min_tip, moc.gas_price),
        moc=moc.moc,
        moc_tasks=moc.tasks,
        jobs=(),
        remarks=[*plan.remarks, *moc.remarks],
        play=moc.is_local,
    )


def key_in(settings: config.Settings, environment: Mapping[str, str]) -> str | None:
    """The key that signs, in hexadecimal, where it is in the environment, or kept where that says.

    Raises Misconfigured.
    """
    if settings.signer != "environment" or _only_looks_on(settings):
        return None
    return key_for(settings.account, with_stored_keys(environment)).to_bytes().hex()


def _only_looks_on(settings: config.Settings) -> bool:
    """Whether no key is needed: nothing is signed, and for whom it would be is known."""
    return settings.mode == "shadow" and settings.account is not None


def plan_with(program: str, settings: config.Settings, key: str | None, patient: bool) -> Plan:
    """The same with a key that was found already, or without one. Raises Misconfigured."""
    has_file = settings.signer == "keystore" and not _only_looks_on(settings)
    keystore = settings.keystore if has_file else None
    return Plan(
        program=program,
        endpoint=settings.rpc_url[0],
        fallbacks=settings.rpc_url[1:],
        network=settings.network,
        contracts=settings.alarm.addresses,
        account=settings.account,
        key_file=str(keystore.file) if keystore else None,
        password_file=str(keystore.password_file) if keystore else None,
        journal=str(settings.journal_location()),
        journal_password_file=_text(settings.journal_password_file),
        directory=str(settings.journal_path().parent),
        max_gas_price=settings.fees.max_gas_price,
        min_tip=settings.fees.min_tip,
        budget=settings.budget.model_dump(),
        patient=patient,
        max_value=settings.signing.max_value,
        max_gas_cost=settings.signing.max_gas_cost,
        recipients=settings.signing.recipients,
        key=key,
        clef=str(settings.clef.ipc) if settings.signer == "clef" and settings.clef.ipc else None,
        keep_days=settings.journal_keep_days,
        moc=settings.moc.address,
        moc_tasks=settings.moc.chosen(),
        jobs=settings.jobs,
        claiming=settings.alarm.model_dump(exclude={"addresses", "cleanup"}),
        cleanup=settings.alarm.cleanup,
        log_format=settings.log_format,
        shadow=settings.mode == "shadow",
        remarks=_remarks(settings),
    )


def _remarks(settings: config.Settings) -> list[str]:
    """What the operator is told first."""
    if settings.mode == "shadow":
        return [SHADOW]
    journal = settings.journal_location()
    # As in scheduler.entry: a container's first process.
    if os.getpid() == 1 and not is_there(journal):
        return [_LOST.format(journal=journal, directory=directory_of(journal))]
    return []


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
