"""Whatever happens to the chain, each effect is there once."""

from pathlib import Path

import pytest

from tests.faults.campaign import Site
from tests.faults.happenings import Happening, happenings
from tests.faults.nursery import Nursery
from tests.faults.stages import Hits
from tests.transactions.rig import Bench


@pytest.mark.parametrize("happening", happenings(), ids=str)
def test_each_effect_is_there_once(
    bench: Bench, nursery: Nursery, tmp_path: Path, happening: Happening
) -> None:
    case = Site(Hits(bench), nursery, tmp_path).play(happening=happening)
    print((tmp_path / "1" / "passed.json.log").read_text())
    assert case.wrong == []
