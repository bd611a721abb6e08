"""SIGKILL at every commit, request and answer, and at any moment: each effect is there once, and
nothing was on the wire that was not in the journal."""

from pathlib import Path

import pytest

from tests import nodes
from tests.faults.campaign import Kill, Site, Tally, every_point, random_moments, tallied
from tests.faults.nursery import Nursery
from tests.faults.stages import SIGNERS, Calls, DearHits, Hits
from tests.transactions.rig import Bench

PARTS = 3


def survived(tally: Tally) -> bool:
    """Whether nothing is wrong; and the workers were killed, but for a few to whom the timing of
    answers brought fewer crossings than the untouched one had."""
    print(tally, *tally.wrong, sep="\n")
    return not tally.wrong and tally.killed >= 0.9 * tally.cases


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_point_leaves_each_effect_once(
    bench: Bench, nursery: Nursery, tmp_path: Path, part: int
) -> None:
    assert survived(every_point(Site(Hits(bench), nursery, tmp_path), part, PARTS))


@pytest.mark.parametrize(("way", "of"), [("http", 20), ("ws", 10)])
def test_so_it_is_by_every_way_to_the_node(
    bench: Bench, nursery: Nursery, tmp_path: Path, way: str, of: int
) -> None:
    assert survived(every_point(Site(Hits(bench), nursery, tmp_path, way), 1, of))


@pytest.mark.parametrize("signer", ["keystore", "node that only sends"])
def test_so_it_is_on_rskj(nursery: Nursery, tmp_path: Path, signer: str) -> None:
    with nodes.rskj(automine=False, options=("--gas-price", "0", "--accounts", "50")) as node:
        bench = Bench(node)
        assert survived(every_point(Site(Hits(bench, signer), nursery, tmp_path, "ws"), 1, 12))
        bench.endpoint.close()


@pytest.mark.parametrize("signer", SIGNERS[1:])
def test_so_it_is_where_the_node_signs(
    bench: Bench, nursery: Nursery, tmp_path: Path, signer: str
) -> None:
    assert survived(every_point(Site(Hits(bench, signer), nursery, tmp_path), 1, 3))


def test_so_it_is_where_prices_rise_and_what_is_late_is_cancelled(
    bench: Bench, nursery: Nursery, tmp_path: Path
) -> None:
    tally = every_point(Site(DearHits(bench), nursery, tmp_path), 1, 5)
    assert survived(tally)
    assert "committed replace" in tally.names


def test_a_bid_that_only_the_node_can_name_is_told_from_the_one_that_it_outbids(
    bench: Bench, nursery: Nursery, tmp_path: Path
) -> None:
    """Both do the same, so a killed worker's successor must look at the price."""
    site = Site(DearHits(bench, "node that only sends"), nursery, tmp_path)
    points = [point for point in site.untouched().passed if "eth_sendTransaction" in point[0]]
    assert survived(tallied(site, points, [Kill(at=point) for point in points[-9:]]))


def test_the_real_program_executes_each_call_once(nursery: Nursery, tmp_path: Path) -> None:
    with nodes.alarm_on_anvil() as chain:
        assert survived(every_point(Site(Calls(chain), nursery, tmp_path), 1, 6))


def test_a_kill_at_any_moment_leaves_each_effect_once(
    bench: Bench, nursery: Nursery, tmp_path: Path
) -> None:
    tally = random_moments(Site(Hits(bench), nursery, tmp_path), 25, seed=1)
    print(tally)
    assert tally.wrong == []
    assert tally.killed > 0


def test_the_points_are_on_both_boundaries(bench: Bench, nursery: Nursery, tmp_path: Path) -> None:
    passed = Site(Hits(bench), nursery, tmp_path).untouched().passed
    order = [
        "before reserve",
        "end of reserve",
        "committed reserve",
        "before eth_sendRawTransaction",
        "sent eth_sendRawTransaction",
        "read eth_sendRawTransaction",
        "before broadcast",
        "committed broadcast",
    ]
    assert [name for name, number in passed if name in order and number == 1] == order
