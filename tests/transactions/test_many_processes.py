"""Several programs send from one account at once: every effect once, no nonce twice, no gap."""

from pathlib import Path

import pytest

from tests import nodes
from tests.transactions.company import Company, play
from tests.transactions.rig import ETHER, Bench

LIMIT = 100.0


@pytest.mark.parametrize(("kind", "signer"), [("anvil", "keystore"), ("geth", "node")])
def test_four_programs_share_an_account(kind: str, signer: str, tmp_path: Path) -> None:
    with nodes.started(kind) as node:
        bench = Bench(node)
        bench.counter  # noqa: B018 - deployed before the programs begin
        who = bench.key(10 * ETHER) if signer == "keystore" else bench.rich
        played = play(bench, tmp_path, who, Company(), LIMIT)
        bench.endpoint.close()
    assert played.wrong == []
    # One that is told of a head when another has dealt with the next one already waits for that.
    assert [line for line in played.said if "which the journal was written at" not in line] == []


def test_one_that_is_killed_again_and_again_costs_no_effect_and_no_nonce(tmp_path: Path) -> None:
    with nodes.anvil(automine=False) as node:
        bench = Bench(node)
        bench.counter  # noqa: B018 - deployed before the programs begin
        played = play(bench, tmp_path, bench.key(10 * ETHER), Company(kill_every=5.0), LIMIT)
        bench.endpoint.close()
    assert played.killed > 0
    assert played.wrong == []
