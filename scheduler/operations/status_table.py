"""The status of a box on a terminal: what is wrong first, then how it is."""

from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from scheduler.operations.checks.model import Finding, Level
from scheduler.operations.facts.model import Facts, Life, Process, Program
from scheduler.operations.status import Status
from scheduler.operations.wording import ether, printable

_PIPE_WIDTH = 160

_STYLES = {Level.OK: "green", Level.UNKNOWN: "dim", Level.WARN: "yellow", Level.FAIL: "bold red"}


def show(status: Status) -> None:
    """Prints it; nothing is cut, since commands are there to be copied."""
    console = Console()
    if not console.is_terminal:
        # Whoever reads it from a pipe may have any width; lines that wrap are harder to read.
        console.width = _PIPE_WIDTH
    console.print(rendered(status))


def rendered(status: Status) -> RenderableType:
    facts = status.facts
    parts: list[RenderableType] = [_wrong(status), Text()]
    parts += [_sheet(list(_lines(facts))), Text(), _programs(facts)]
    return Group(*parts)


def _wrong(status: Status) -> RenderableType:
    told = [each for each in status.checks if each.level in (Level.FAIL, Level.WARN)]
    if not told:
        return Text("all is well", _STYLES[Level.OK])
    told.sort(key=lambda each: each.level is not Level.FAIL)
    return Group(*(_finding(each) for each in told))


def _finding(finding: Finding) -> Text:
    text = Text()
    text.append(f"{finding.level.value:<5}", _STYLES[finding.level])
    text.append(f"{finding.check}: {printable(finding.reason)}\n")
    text.append(f"     → {printable(finding.remedy)}", "cyan")
    return text


def _sheet(lines: list[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, Text(printable(text)))
    return table


def _lines(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "node", _node(facts)
    yield "account", _account(facts)
    yield "journal", _journal(facts)
    for disk in facts.disks or ():
        share = 100 * (disk.size - disk.free) / disk.size if disk.size else 100
        yield "disk", f"{disk.path} ({disk.what}): {share:.0f} % of {disk.size / 1e9:.1f} GB used"
    yield "clock", _clock(facts)
    if facts.monitor is not None:
        yield "monitor", "runs" if facts.monitor.running else "does not run"


def _node(facts: Facts) -> str:
    node = facts.node
    if node is None:
        return f"{facts.configured.endpoint}: {facts.unread.get('node', 'unknown')}"
    peers = "" if node.peers is None else f", {node.peers} peers"
    head = f"block {node.head_number:,}, {duration(max(0.0, node.head_age))} old"
    sync = ""
    if node.sync is not None:
        left = node.sync.seconds_left
        rest = "" if left is None else f", {duration(left)} left"
        sync = f"; syncing, {node.sync.percent:.1f} %{rest}"
    return f"{node.version} on {node.network} ({node.chain_id}): {head}{peers}{sync}"


def _account(facts: Facts) -> str:
    account = facts.account
    if account is None:
        return facts.unread.get("account", "unknown")
    left = "" if account.days_left is None else f", {account.days_left:.0f} days of gas left"
    return f"{account.address}: {ether(account.balance)}{left}, next nonce {account.latest}" + (
        f" ({account.pending - account.latest} pending)" if account.pending > account.latest else ""
    )


def _journal(facts: Facts) -> str:
    journal = facts.journal
    if journal is None:
        return f"{facts.configured.journal}: {facts.unread.get('journal', 'none yet')}"
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(journal.intents.items()))
    return f"{journal.path}, {journal.size / 2**20:.1f} MiB: {states or 'nothing yet'}"


def _clock(facts: Facts) -> str:
    clock = facts.clock
    if clock is None or clock.offset is None:
        kept = clock is not None and clock.synchronised
        return "kept right" if kept else "nothing tells whether it is right"
    return f"{clock.offset:+.1f} s, going by {clock.source}"


def _programs(facts: Facts) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("program", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("up", "head", "tracked", "due", "in flight", "done", "failed"):
        table.add_column(name, justify="right")
    table.add_column("last outcome", overflow="fold")
    shared = any(program.holders for program in facts.programs or ())
    if shared:
        table.add_column("may act", overflow="fold")
    for program in facts.programs or ():
        who = [printable("; ".join(program.holders)) or "-"] if shared else []
        table.add_row(*_row(program, facts.read_at), *who)
    return table


def _row(program: Program, now: float) -> list[str | Text]:
    life, process = program.life, program.process
    counts = life.counts if life is not None else {}
    tracked = counts.get("tracked", counts.get("jobs"))
    last = program.last
    return [
        program.name,
        _state(program),
        _up(process, life, now),
        "-" if life is None or life.head_number is None else f"{life.head_number:,}",
        "-" if tracked is None else f"{tracked:,}",
        str(counts.get("due", "-")),
        str(program.in_flight),
        f"{program.done:,}",
        f"{program.failed:,}",
        "-" if last is None else f"{last.kind}, {duration(max(0.0, now - last.judged_at))} ago",
    ]


def _state(program: Program) -> Text:
    """supervisord's word, else that of the program itself."""
    if program.process is not None:
        state = program.process.state
        return Text(state, "green" if state == "RUNNING" else "bold red" * (state != "STOPPED"))
    if program.life is not None and program.life.fresh:
        return Text(program.life.state.value)
    return Text("not running", "dim")


def _up(process: Process | None, life: Life | None, now: float) -> str:
    started_at = process.started_at if process is not None else None
    if started_at is None and life is not None and life.fresh:
        started_at = life.started_at
    return "-" if started_at is None else duration(now - started_at)


def duration(seconds: float) -> str:
    """`90` as `1 min`, as much as it takes to know how long that is."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
