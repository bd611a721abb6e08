"""Whatever goes wrong between a program and its node: each effect is there once, without a kill or
a restart, and nothing was on the wire that was not in the journal."""

from pathlib import Path

import pytest

from tests.faults.campaign import Site
from tests.faults.nursery import Nursery
from tests.faults.stages import Hits
from tests.faults.troubles import ALL_WAYS, Trouble, troubles
from tests.transactions.refusals import REFUSALS, UNKNOWN
from tests.transactions.rig import Bench

# Those that HTTP or connections that stay have alone go that way, the others in turn.
SHORT_LIST = [
    (trouble, trouble.ways[number % len(trouble.ways)] if number < 20 else "ipc")
    for number, trouble in enumerate(troubles([*REFUSALS, *UNKNOWN]))
]


@pytest.mark.parametrize(
    ("trouble", "way"),
    [pytest.param(*each, id=f"{each[1]}: {each[0].name}") for each in SHORT_LIST],
)
def test_each_effect_is_there_once(
    bench: Bench, nursery: Nursery, tmp_path: Path, trouble: Trouble, way: str
) -> None:
    case = Site(Hits(bench), nursery, tmp_path, way).play(trouble=trouble)
    print((tmp_path / "1" / "passed.json.log").read_text())
    assert case.wrong == []


def test_every_way_has_its_troubles() -> None:
    assert {way for _, way in SHORT_LIST} == set(ALL_WAYS)
