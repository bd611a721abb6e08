"""What can be wrong with those who tell what is wrong."""

from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Delivery, Facts

_HEARTBEAT = "heartbeat "


def heartbeat(facts: Facts) -> Verdict:
    return _arrives(
        facts,
        [each for each in facts.deliveries or () if each.channel.startswith(_HEARTBEAT)],
        "AWS's credentials, region and network; docs/aws.md",
        "no heartbeat is sent",
    )


def alerts(facts: Facts) -> Verdict:
    return _arrives(
        facts,
        [each for each in facts.deliveries or () if not each.channel.startswith(_HEARTBEAT)],
        "the table [monitor] of the configuration: scheduler config show",
        "alerts go to the log alone",
    )


def monitor(facts: Facts) -> Verdict:
    found = facts.monitor
    if found is None:
        return unknown(facts.unread.get("monitor", "it was not looked for"))
    if not found.running:
        last = "" if found.looped_at is None else ", any more"
        return worth_knowing(
            f"scheduler-monitor does not run{last}: nobody is told when something goes wrong",
            "supervisorctl start scheduler-monitor",
        )
    return fine(f"scheduler-monitor runs, {len(found.alerts)} alerts are open")


def _arrives(facts: Facts, found: list[Delivery], remedy: str, nothing: str) -> Verdict:
    if facts.deliveries is None:
        return unknown(facts.unread.get("deliveries", "it was not looked at"))
    away = [each for each in found if each.why is not None]
    if away:
        told = "; ".join(f"{each.channel} does not arrive: {each.why}" for each in away)
        return wrong(told, f"see {remedy}")
    if not found:
        return fine(nothing)
    return fine(f"{', '.join(each.channel for each in found)} arrive")


CHECKS = (
    Check("telling.heartbeat", "CloudWatch gets the heartbeat", heartbeat),
    Check("telling.alerts", "alerts arrive", alerts),
    Check("telling.monitor", "somebody watches", monitor),
)
