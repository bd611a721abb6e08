"""What can be wrong with the node, and with what it is a node of."""

from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Facts, Node
from scheduler.operations.facts.programs import NODES

# The second node may be so many blocks ahead: what it takes a block to reach ours, and more.
_AHEAD_BLOCKS = 10


def answers(facts: Facts) -> Verdict:
    if facts.node is not None:
        return fine(f"{facts.node.version or 'it'} answers at {facts.node.endpoint}")
    why = facts.unread.get("node", "it was not asked")
    return wrong(f"the node does not answer: {why}", _start(facts))


def chain(facts: Facts) -> Verdict:
    node = facts.node
    if node is None:
        return _unasked(facts)
    if node.chain_ids and node.chain_id not in node.chain_ids:
        wanted = " or ".join(map(str, node.chain_ids))
        return wrong(
            f"the node serves chain id {node.chain_id} ({node.network}), but "
            f"{facts.configured.network} has {wanted}",
            "correct network or rpc-url in the configuration, then: scheduler config check",
        )
    return fine(f"{node.network}, chain id {node.chain_id}")


def synced(facts: Facts) -> Verdict:
    node = facts.node
    if node is None:
        return _unasked(facts)
    if node.sync is None:
        return fine("it is not behind, as far as it knows")
    left = node.sync.seconds_left
    rest = "" if left is None else f", {left / 60:.0f} min left"
    return wrong(
        f"the node is still syncing: block {node.sync.current:,} of {node.sync.highest:,} "
        f"({node.sync.percent:.1f} %{rest}); nothing is sent until it has caught up",
        f"wait; to see it move: watch scheduler status; its log: {_log(facts)}",
    )


def head(facts: Facts) -> Verdict:
    node = facts.node
    if node is None:
        return _unasked(facts)
    age, limit = head_age(facts, node), facts.limits.head_age
    if age > limit:
        return wrong(
            f"no new block for {age:.0f} s: the head is still {node.head_number:,}; on "
            f"{node.network} one is late after {limit:.0f} s",
            _restart(facts),
        )
    return fine(f"block {node.head_number:,}, {max(0.0, node.head_age):.0f} s old")


def head_age(facts: Facts, node: Node) -> float:
    """For how long no block came, in seconds: by its time, allowing for a clock that is known to be
    wrong, or by how long it was watched."""
    offset = facts.clock.offset if facts.clock is not None else None
    return max(node.head_age - (offset or 0.0), node.still_for or 0.0)


def peers(facts: Facts) -> Verdict:
    node = facts.node
    if node is None:
        return _unasked(facts)
    if node.peers is None or node.development:
        return fine("it does not need any, or does not tell")
    if node.peers == 0:
        return wrong(
            "the node has no peers, so it hears of no block",
            f"see whether its port is open: sudo provision/setup.sh; its log: {_log(facts)}",
        )
    return fine(f"{node.peers} peers")


def behind_journal(facts: Facts) -> Verdict:
    if facts.node is None or facts.journal is None:
        return unknown("the node or the journal could not be read")
    highest = facts.journal.highest_head
    if highest is not None and facts.node.head_number < highest:
        return wrong(
            f"the node is at block {facts.node.head_number:,}, the journal was written at "
            f"{highest:,}: nothing new is sent until it has caught up",
            f"wait until it has; if it never does, its data is old: {_restart(facts)}",
        )
    return fine("it has all blocks that the journal was written at")


def second(facts: Facts) -> Verdict:
    there = facts.second
    if facts.configured.second_endpoint is None:
        return fine("no second node is configured")
    if facts.node is None:
        return _unasked(facts)
    if there is None:
        why = facts.unread.get("second", "it was not asked")
        return worth_knowing(
            f"the second node does not answer, so nothing is compared: {why}",
            "see whether it runs, or correct monitor.second-rpc-url",
        )
    if there.chain_id != facts.node.chain_id:
        return wrong(
            f"the second node, {there.endpoint}, serves chain id {there.chain_id}, ours "
            f"{facts.node.chain_id}",
            "correct monitor.second-rpc-url or rpc-url in the configuration",
        )
    if there.agrees is False:
        return wrong(
            f"our node and {there.endpoint} have different blocks {there.compared_at:,}: one of "
            "them follows a fork",
            f"ask a third which is right; if ours is not: scheduler pause, then {_restart(facts)}",
        )
    if there.ahead > _AHEAD_BLOCKS:
        return wrong(
            f"our node is {there.ahead} blocks behind {there.endpoint}",
            _restart(facts),
        )
    if there.ahead < -_AHEAD_BLOCKS:
        return worth_knowing(
            f"{there.endpoint} is {-there.ahead} blocks behind our node",
            "see what it lacks, or name another in monitor.second-rpc-url",
        )
    return fine(f"it agrees with {there.endpoint}")


def _unasked(facts: Facts) -> Verdict:
    return unknown(f"the node does not answer: {facts.unread.get('node', 'it was not asked')}")


def _program(facts: Facts) -> str | None:
    """The node's own program on this box, if it is one of this box's."""
    for program in facts.programs or ():
        if program.name in NODES - {"beacon", "clef"}:
            return program.name
    return None


def _start(facts: Facts) -> str:
    name = _program(facts)
    if name is None:
        return "start the node, or correct rpc-url in the configuration: scheduler config check"
    return f"supervisorctl start {name}; if it runs: {_log(facts)}"


def _restart(facts: Facts) -> str:
    name = _program(facts)
    return (
        "see the node's log, and start it again"
        if name is None
        else f"supervisorctl restart {name}"
    )


def _log(facts: Facts) -> str:
    return f"tail -f /var/log/supervisor/{_program(facts) or 'NODE'}-std*.log"


CHECKS = (
    Check("node.answers", "the node answers", answers, (10,)),
    Check("node.chain", "it is a node of the right chain", chain, (10,)),
    Check("node.synced", "it is not behind", synced, (6, 10)),
    Check("node.head", "new blocks come", head, (10,)),
    Check("node.peers", "it has peers", peers),
    Check("node.behind_journal", "it has what the journal has", behind_journal, (6,)),
    Check(
        "node.second",
        "a second node agrees with it",
        second,
        (6,),
        follows=("node.chain", "node.synced", "node.head"),
    ),
)
