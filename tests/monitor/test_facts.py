"""How facts are read: within a limit, by their sources' own words, and none in another's way."""

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.model import Head
from scheduler.config import load
from scheduler.devchain.nodes import Node
from scheduler.operations.facts import machine, supervisord
from scheduler.operations.facts.gatherer import looked_once
from scheduler.operations.facts.journal import JournalWatch
from scheduler.operations.facts.model import Process
from scheduler.operations.facts.node import NodeWatch, SecondWatch
from scheduler.operations.facts.programs import lives, programs
from scheduler.operations.facts.reading import Sources
from scheduler.operations.status import status_of
from scheduler.operations.status_table import rendered
from scheduler.pulse import Pulse
from scheduler.transactions.boxes import Box
from scheduler.transactions.custody import actor, custodian
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.journal.overview import Overview
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.leases import Leases
from tests import nodes
from tests.boxes.journals import migrated
from tests.commands import free_port
from tests.monitor.box import TimeServer
from tests.monitor.samples import WELL
from tests.postgres import Server

HEAD = Head(328, "0x" + "ab" * 32, "0x" + "cd" * 32, 1_700_000_000, 30_000_000, 7)


async def test_what_hangs_costs_one_thread_and_its_limit_and_is_asked_again_when_it_answers() -> (
    None
):
    sources, answers, asked = Sources(), threading.Event(), []

    def hang() -> str:
        asked.append(1)
        answers.wait(30)
        return "here"

    assert await sources.call("disks", hang, 0.1) is None
    assert sources.unread["disks"] == "no answer within 0.1 s"
    began = time.monotonic()
    assert await sources.call("disks", hang, 10) is None
    assert time.monotonic() - began < 5
    assert "it has not answered for" in sources.unread["disks"]
    assert asked == [1]
    answers.set()
    for thread in threading.enumerate():
        if thread.name == "disks":
            thread.join(10)
    assert await sources.call("disks", hang, 10) == "here"


async def test_what_raises_keeps_no_other_from_its_answer() -> None:
    sources = Sources()

    def broken() -> str:
        raise OSError(5, "Input/output error")

    found = await asyncio.gather(
        sources.call("disks", broken), sources.call("memory", machine.memory)
    )
    assert found[0] is None
    assert found[1] is not None
    assert sources.unread == {"disks": "[Errno 5] Input/output error"}


@pytest.fixture
def times() -> Iterator[TimeServer]:
    server = TimeServer()
    yield server
    server.close()


@pytest.mark.parametrize("ahead", [-60.0, 0.0, 60.0])
def test_a_clock_is_compared_with_a_time_server_s(times: TimeServer, ahead: float) -> None:
    times.ahead = ahead
    assert machine.ahead_of(times.name) == pytest.approx(-ahead, abs=2)


def test_what_is_no_time_server_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{other.getsockname()[1]}"

        def answer() -> None:
            _, asker = other.recvfrom(512)
            other.sendto(b"hello", asker)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="does not answer as a time server"):
            machine.ahead_of(name)
        thread.join()


async def test_a_node_is_watched(anvil: Node) -> None:
    watch = NodeWatch(anvil.http, "dev")
    first = await watch.look()
    assert (first.kind, first.network, first.still_for, first.chain) == ("anvil", "dev", None, None)
    again = await watch.look()
    assert again.still_for is not None
    assert again.still_for > 0
    anvil.rpc("evm_mine")
    third = await watch.look()
    assert (third.head_number, third.still_for) == (first.head_number + 1, 0.0)
    assert third.chain is not None
    account = await watch.first_account()
    assert account is not None
    purse = await watch.purse(account, third.kind, third.head_hash)
    assert purse.balance > 0
    assert (purse.latest, purse.pending) == (0, 0)
    second = SecondWatch(anvil.http)
    compared = await second.compare(third, watch)
    assert (compared.ahead, compared.agrees) == (0, True)
    await second.close()
    await watch.close()


@pytest.mark.parametrize(("kind", "network"), [("geth", "dev"), ("rskj", "rsk-regtest")])
async def test_other_nodes_are_understood_as_well(kind: str, network: str) -> None:
    with nodes.started(kind) as node:
        watch = NodeWatch(node.http, network)
        found = await watch.look()
        # geth that has just started says that it syncs, while it indexes transactions.
        while found.sync is not None:
            assert found.sync.percent <= 100
            await asyncio.sleep(0.2)
            found = await watch.look()
        assert (found.kind, found.network) == (kind, network)
        assert found.head_number >= 0
        purse = await watch.purse("0x" + "12" * 20, found.kind, found.head_hash)
        assert (purse.balance, purse.latest, purse.pending) == (0, 0, 0)
        await watch.close()


async def test_blocks_that_all_come_before_their_time_tell_of_the_clock(anvil: Node) -> None:
    watch = NodeWatch(anvil.http, "dev")
    await watch.look()
    assert watch.ahead_by_blocks() is None
    anvil.rpc("evm_increaseTime", 60)
    for _ in range(4):
        anvil.rpc("evm_mine")
        await watch.look()
    assert watch.ahead_by_blocks() == pytest.approx(-60, abs=8)
    await watch.close()


async def test_a_node_that_is_away_is_told_without_what_may_be_secret() -> None:
    watch = NodeWatch(f"http://me:hunter2@127.0.0.1:{free_port()}/v3/{'k' * 32}", None)
    with pytest.raises(NodeUnavailable) as away:
        await watch.look()
    assert "nothing listens there" in str(away.value)
    assert "hunter2" not in str(away.value)
    assert "kkkk" not in str(away.value)
    await watch.close()


def test_a_supervisord_that_is_away_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(supervisord.SupervisordAway, match="systemctl start supervisor"):
        supervisord.processes(tmp_path / "none.sock")
    path = tmp_path / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        with pytest.raises(supervisord.SupervisordAway, match="nobody listens"):
            supervisord.processes(path)


def test_signs_of_life_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    assert lives(journal) == {}
    pulse = Pulse.beside(journal, "scheduler")
    pulse.counters.has_left(0.07)
    pulse.counters.has_left(99.0)
    pulse.counters.refused = 3
    pulse.beat(HEAD, {"tracked": 2}, "the account is empty")
    (tmp_path / "programs" / "broken.json").write_text("{")
    [(name, life)] = lives(journal).items()
    assert (name, life.head_number, life.counts) == ("scheduler", 328, {"tracked": 2})
    assert (life.running, life.fresh, life.refused) == (False, False, 3)
    assert life.latency is not None
    assert (life.latency.buckets["0.05"], life.latency.buckets["0.1"]) == (0, 1)
    assert (life.latency.buckets["30.0"], life.latency.count) == (1, 2)
    # One of before this release counts nothing.
    path = tmp_path / "programs" / "scheduler.json"
    content = json.loads(path.read_text())
    del content["counters"]
    path.write_text(json.dumps(content))
    assert lives(journal)["scheduler"].latency is None
    # Nobody minds one that was run by hand last week.
    path.write_text(json.dumps({**content, "looped_at": time.time() - 10**6}))
    assert lives(journal) == {}


@pytest.mark.parametrize(
    ("state", "expected"), [("RUNNING", True), ("FATAL", True), ("STOPPED", False), (None, True)]
)
def test_who_should_be_at_work(state: str | None, expected: bool) -> None:
    other = {"geth": Process("RUNNING", "", 1, 1.0, None)}
    own = {} if state is None else {"scheduler": Process(state, "", None, None, 0)}
    [found] = [
        each
        for each in programs(("scheduler",), {**other, **own}, {}, None)
        if each.name == "scheduler"
    ]
    assert found.expected is expected


def test_an_empty_journal_has_an_overview(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal.open(path).close()
    with reading(path) as opened:
        overview = Overview(opened, None, time.time())
        assert overview.intents() == {}
        assert overview.work() == {}
        assert (overview.money().fees, overview.money().per_day) == (0, 0)
        assert set(overview.violations().values()) == {0}


def test_of_a_journal_that_boxes_share_it_is_told_who_may_act(
    database_server: Server, tmp_path: Path
) -> None:
    """A program stands by here, one of another box has the leases; a third one only looks on."""
    where = migrated(database_server, tmp_path)
    account = Account(os.urandom(8).hex(), "0x" + "aa" * 20)
    own = [actor("tests", account, "0x" + "cc" * 20), custodian(account)]
    other = [actor("tests", account, "0x" + "dd" * 20)]
    with ExitStack() as stack:
        for box, program, names in (("one", "scheduler", own), ("two", "payments", other)):
            here = Box(box, f"the boot of {box}")
            leases = Leases(where, program, here, 600.0, shadow=program == "payments")
            stack.callback(leases.close)
            for name in names:
                stack.callback(leases.take(name).release)
        holders = JournalWatch(where).look(None, None).holders
        found = programs(("scheduler", "jobs"), None, {}, None, holders)
        told = {each.name: each.holders for each in found}
        assert told == {"scheduler": (f"one, process {os.getpid()}",), "jobs": ()}
        [payments] = programs(("payments",), None, {}, None, holders)
        assert payments.holders == (f"two, process {os.getpid()} (shadow)",)
        facts = replace(WELL, programs=found)
        console = Console(width=200)
        with console.capture() as shown:
            console.print(rendered(status_of(facts)))
        assert "may act" in shown.get()
        assert f"one, process {os.getpid()}" in shown.get()
    assert JournalWatch(where).look(None, None).holders == ()


async def test_a_box_with_nothing_is_told_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'rpc-url = "http://127.0.0.1:{free_port()}"\njournal = "{tmp_path}/none/journal.db"\n'
        f'[box]\nnode = "geth"\n[monitor]\nsupervisor = "{tmp_path}/none.sock"\n'
    )
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    facts = await looked_once(load(config, {}), config)
    assert set(facts.unread) == {"node", "account", "supervisor"}
    assert facts.journal is None
    assert facts.files is not None
    assert [each.missing for each in facts.files] == [True]
    assert facts.memory is not None


async def test_of_several_nodes_the_first_that_answers_is_looked_at(
    anvil: Node, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    away = f"http://127.0.0.1:{free_port()}"
    config.write_text(f'rpc-url = ["{away}", "{anvil.http}"]\njournal = "{tmp_path}/journal.db"\n')
    facts = await looked_once(load(config, {}), config)
    assert facts.node is not None
    assert facts.node.endpoint == anvil.http
    assert facts.configured.endpoint == f"{away}, {anvil.http}"
