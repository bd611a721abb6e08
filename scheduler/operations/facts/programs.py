"""The programs of the box: what supervisord says of them, and what they say themselves."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scheduler.agenda import Appointment
from scheduler.health import State
from scheduler.operations.facts.model import Latency, Life, Outcome, Process, Program
from scheduler.operations.liveness import is_there
from scheduler.pulse import DIRECTORY, FRESH_SECONDS
from scheduler.transactions.journal.overview import Holder, Work

# States in which supervisord keeps a program at work, or tries to (its docs, "Process States").
WANTED = frozenset({"STARTING", "RUNNING", "BACKOFF", "FATAL", "EXITED", "UNKNOWN"})

NODES = frozenset({"geth", "rskj", "devchain", "beacon", "clef"})

# A sign of a program that nobody wants any more, such as one that was run by hand, says nothing.
_OLD_SECONDS = 24 * 3600.0


def lives(journal: Path) -> dict[str, Life]:
    """The last signs of life beside this journal, by program."""
    found = {}
    for path in sorted((journal.parent / DIRECTORY).glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            life = _life(content, time.time())
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if time.time() - life.looped_at < _OLD_SECONDS:
            found[str(content["program"])] = life
    return found


def programs(
    configured: tuple[str, ...],
    processes: Mapping[str, Process] | None,
    signs: Mapping[str, Life],
    work: Mapping[str, Work] | None,
    holders: Sequence[Holder] = (),
) -> tuple[Program, ...]:
    """All that are configured, that supervisord has, or that left a sign, each once.

    `processes` is None where there is no supervisord, `work` where the journal could not be read;
    `holders` are those of all programs.
    One that is configured should be at work unless somebody stopped it; one that nobody configured
    if supervisord keeps it so, or while its process is there.
    """
    known = processes or {}
    names = dict.fromkeys([*configured, *known, *signs])
    return tuple(
        _program(
            name,
            name in configured,
            processes is not None,
            known.get(name),
            signs.get(name),
            (work or {}).get(name),
            [each for each in holders if each.program.partition(" ")[0] == name],
        )
        for name in names
    )


def _program(
    name: str,
    configured: bool,
    supervised: bool,
    process: Process | None,
    life: Life | None,
    work: Work | None,
    holders: Sequence[Holder],
) -> Program:
    if process is not None:
        expected = process.state in WANTED
    else:
        expected = (configured and supervised) or (life is not None and life.running)
    return Program(
        name=name,
        expected=expected,
        process=process,
        life=life,
        in_flight=work.in_flight if work else 0,
        done=work.done if work else 0,
        failed=work.failed if work else 0,
        last=_outcome(work) if work else None,
        holders=tuple(_told(each) for each in holders),
    )


def _told(holder: Holder) -> str:
    _, _, looks_on = holder.program.partition(" ")
    return f"{holder.box}, process {holder.pid}{f' {looks_on}' if looks_on else ''}"


def _outcome(work: Work) -> Outcome | None:
    last = work.last
    if last is None:
        return None
    return Outcome(last.intent, last.kind, last.detail, last.is_final, last.judged_at)


def _life(content: Mapping[str, Any], now: float) -> Life:
    health, head = content["health"], content["head"] or {}
    pid, looped_at = int(content["pid"]), float(content["looped_at"])
    counters = content.get("counters") or {}
    running = is_there(str(content["program"]), pid)
    return Life(
        pid=pid,
        running=running,
        fresh=running and now - looped_at < FRESH_SECONDS,
        started_at=float(content["started_at"]),
        looped_at=looped_at,
        account=content["account"],
        head_number=head.get("number"),
        head_timestamp=head.get("timestamp"),
        trouble=content["trouble"],
        state=State(health["state"]),
        since=float(health["since"]),
        wrong=tuple(health["wrong"]),
        exceptions=int(health["exceptions"]),
        pokes=int(health["pokes"]),
        counts={name: int(value) for name, value in content["counts"].items()},
        refused=int(counters.get("refused", 0)),
        latency=_latency(counters.get("latency")),
        mode=str(content.get("mode", "live")),
        agenda=tuple(Appointment(**each) for each in content.get("agenda", ())),
    )


def _latency(told: Mapping[str, Any] | None) -> Latency | None:
    if told is None:
        return None
    buckets = {str(bound): int(number) for bound, number in told["buckets"].items()}
    return Latency(buckets, int(told["count"]), float(told["total"]))
