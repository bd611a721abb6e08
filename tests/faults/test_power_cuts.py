"""A power cut at every commit, request and answer: only what was synced is there afterwards."""

from pathlib import Path

import pytest

from tests import nodes
from tests.faults.campaign import Kill, Site, every_point
from tests.faults.nursery import Nursery
from tests.faults.stages import SIGNERS, Calls, DearHits, Hits
from tests.faults.test_kills import survived
from tests.transactions.rig import Bench

PARTS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_a_power_cut_at_any_point_leaves_each_effect_once(
    bench: Bench, losing_nursery: Nursery, tmp_path: Path, part: int
) -> None:
    site = Site(Hits(bench), losing_nursery, tmp_path, power_cut=True)
    assert survived(every_point(site, part, PARTS))


@pytest.mark.parametrize("signer", SIGNERS[1:])
def test_so_it_is_where_the_node_signs(
    bench: Bench, losing_nursery: Nursery, tmp_path: Path, signer: str
) -> None:
    site = Site(Hits(bench, signer), losing_nursery, tmp_path, power_cut=True)
    assert survived(every_point(site, 2, 6))


def test_so_it_is_where_prices_rise_and_what_is_late_is_cancelled(
    bench: Bench, losing_nursery: Nursery, tmp_path: Path
) -> None:
    site = Site(DearHits(bench), losing_nursery, tmp_path, power_cut=True)
    assert survived(every_point(site, 2, 6))


def test_the_real_program_executes_each_call_once(losing_nursery: Nursery, tmp_path: Path) -> None:
    with nodes.alarm_on_anvil() as chain:
        site = Site(Calls(chain), losing_nursery, tmp_path, power_cut=True)
        assert survived(every_point(site, 2, 6))


def test_a_journal_that_is_not_synced_with_each_commit_is_caught(
    bench: Bench, losing_nursery: Nursery, tmp_path: Path
) -> None:
    """What the campaign proves is not proven by a disk that never loses anything."""
    site = Site(Hits(bench), losing_nursery, tmp_path, power_cut=True, synchronous="NORMAL")
    case = site.play(Kill(at=("read eth_sendRawTransaction", 1)))
    assert case.killed
    assert len([what for what in case.wrong if "left unjournaled" in what]) >= 3
    assert "hits: 7 instead of 4" in case.wrong
