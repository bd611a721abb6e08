"""The supervised program on two boxes, as operators see it: what it says, and who does the work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.journals import migrated
from tests.boxes.supervised import Boxes
from tests.boxes.supervised import boxes as two_boxes
from tests.postgres import Server


@pytest.fixture
def boxes(database_server: Server, tmp_path: Path) -> Iterator[Boxes]:
    database = database_server.database()
    migrated(database_server, tmp_path, database)
    with two_boxes(database_server, lambda at: at.journal(database)) as found:
        yield found


@pytest.mark.timeout(600)
def test_the_work_goes_from_box_to_box(boxes: Boxes) -> None:
    with boxes.start(boxes.one) as one:
        one.saw("Everything needed|Starting block sage", seconds=60)
        boxes.world.do("Worker", "order()")
        boxes.mine_until_done(one, 1)
        with boxes.start(boxes.other) as other:
            other.saw(
                rf"one, process {one.pid} \(scheduler\) already serves .*; this box stands by",
                seconds=60,
            )
            taken, stop = boxes.drain(boxes.one)
            assert taken == f"other, process {other.pid} (scheduler) has taken over"
            assert stop == "to stop this box: supervisorctl stop scheduler"
            one.saw("stands by", seconds=60)
            boxes.world.do("Worker", "order()")
            boxes.mine_until_done(other, 1)
            [line] = boxes.drain(boxes.one)
            assert line == (
                f"other, process {other.pid} (scheduler) does the work; this box does none of it, "
                "and may be stopped"
            )
            other.kill()
        boxes.world.do("Worker", "order()")
        boxes.mine_until_done(one, 2)
        assert one.stop() == 0
    assert one.errors == []
    assert len(boxes.world.effects("Worker", "Worked(address,uint256)")) == 3


@pytest.mark.timeout(600)
def test_a_box_with_another_account_says_so_and_sends_nothing(boxes: Boxes) -> None:
    accounts = [str(each).lower() for each in boxes.world.request("eth_accounts")]
    stranger = next(each for each in accounts if each != boxes.world.us)
    with boxes.start(boxes.one) as one:
        one.saw("Starting block sage", seconds=60)
        with boxes.start(boxes.other, stranger) as other:
            other.saw(
                f"one, process {one.pid} .* with the account {boxes.world.us}, but this box has "
                f"{stranger}: correct account",
                seconds=60,
            )
            boxes.world.do("Worker", "order()")
            boxes.mine_until_done(one, 1)
            assert other.having("Successfully") == []
