"""Which value is sent when: 0 while all is well, 1 for everything that is not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.health import State
from scheduler.heartbeat.beats import RETRY_SECONDS, UNWELL, WELL, Beats
from scheduler.pulse import FRESH_SECONDS, Sign

INTERVAL = 60

HEALTHY = Sign("moc_jobs", 1, None, 0.0, State.HEALTHY, 0, 0)


class Wire:
    """What reaches CloudWatch of one program's signs, with the second of each; `away`: nothing."""

    def __init__(self) -> None:
        self.beats = Beats(INTERVAL)
        self.sent: list[tuple[float, int]] = []
        self.tried: list[float] = []
        self.away = False

    def look(self, now: float, sign: Sign = HEALTHY, fresh: bool = True) -> None:
        sign = replace(sign, looped_at=now if fresh else now - FRESH_SECONDS)
        value = self.beats.due(sign, now)
        if value is None:
            return
        self.tried.append(now)
        if self.away:
            self.beats.failed(now)
        else:
            self.beats.sent(value, sign, now)
            self.sent.append((now, value))


def test_well_at_the_start_and_at_the_interval() -> None:
    wire = Wire()
    for now in range(121):
        wire.look(now)
    assert wire.sent == [(0, WELL), (60, WELL), (120, WELL)]


def test_a_program_that_still_waits_for_what_it_needs_is_well() -> None:
    wire = Wire()
    wire.look(0, replace(HEALTHY, state=State.STARTING))
    assert wire.sent == [(0, WELL)]


def test_failing_is_told_at_once_then_at_the_interval_and_its_end_at_the_next() -> None:
    wire = Wire()
    for now in range(200):
        failing = 10 <= now < 100
        wire.look(now, replace(HEALTHY, state=State.FAILING, exceptions=1) if failing else
                  replace(HEALTHY, exceptions=int(now >= 100)))  # fmt: skip
    assert wire.sent == [(0, WELL), (10, UNWELL), (70, UNWELL), (130, WELL), (190, WELL)]


def test_each_poke_and_each_exception_is_told_at_once() -> None:
    wire = Wire()
    wire.look(0)
    wire.look(5, replace(HEALTHY, pokes=1))
    wire.look(6, replace(HEALTHY, pokes=1))
    wire.look(7, replace(HEALTHY, pokes=1, exceptions=1))
    wire.look(67, replace(HEALTHY, pokes=1, exceptions=1))
    assert wire.sent == [(0, WELL), (5, UNWELL), (7, UNWELL), (67, WELL)]


def test_what_happened_before_the_sender_was_there_is_told_first() -> None:
    """As after it was started again."""
    wire = Wire()
    wire.look(0, replace(HEALTHY, exceptions=3))
    assert wire.sent == [(0, UNWELL)]


def test_no_sign_of_life_is_told() -> None:
    wire = Wire()
    wire.look(0)
    wire.look(30, fresh=False)
    wire.look(31, fresh=False)
    wire.look(90, fresh=False)
    assert wire.sent == [(0, WELL), (30, UNWELL), (90, UNWELL)]


def test_what_cloudwatch_did_not_take_is_tried_again_and_no_poke_is_lost() -> None:
    wire = Wire()
    wire.look(0)
    wire.away = True
    for now in range(5, 50):
        wire.look(now, replace(HEALTHY, pokes=1))
    assert wire.tried[1:] == [5, 15, 25, 35, 45]
    wire.away = False
    wire.look(50, replace(HEALTHY, pokes=1))
    wire.look(55, replace(HEALTHY, pokes=1))
    assert wire.sent == [(0, WELL), (55, UNWELL)]


@given(
    st.lists(
        st.tuples(st.sampled_from(State), st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=300,
    )
)
def test_no_alarm_is_lost_and_no_silence_is_longer_than_the_interval(
    seconds: list[tuple[State, bool, bool, bool]],
) -> None:
    """Whatever the state, fresh or not, and whatever happens, while CloudWatch takes it or not."""
    wire = Wire()
    pokes = unsent = 0
    for now, (state, fresh, poke, away) in enumerate(seconds):
        pokes += poke
        unsent += poke
        wire.away = away
        before = len(wire.sent)
        wire.look(now, replace(HEALTHY, state=state, pokes=pokes), fresh)
        for _, value in wire.sent[before:]:
            well = state is not State.FAILING and fresh and not unsent
            assert value == (WELL if well else UNWELL)
            unsent = 0
        assert now - max([-1, *wire.tried]) <= INTERVAL + RETRY_SECONDS
    wire.away = False
    wire.look(len(seconds) + RETRY_SECONDS, replace(HEALTHY, pokes=pokes))
    assert not unsent or wire.sent[-1][1] == UNWELL
