"""A program's health: what it says of itself, since when, and what is counted."""

import pytest

from scheduler.health import BEGINNING_SECONDS, Health, State, Vitals, together

WELL = Vitals()
ILL = Vitals(wrong=("oracle_poke: its condition cannot be read",))


def test_a_program_that_works_is_healthy_since_its_first_head() -> None:
    health = Health(now=100)
    health.take(WELL, None, now=101)
    health.take(WELL, None, now=102)
    assert health.told() == {
        "state": "healthy",
        "since": 101,
        "exceptions": 0,
        "pokes": 0,
        "wrong": [],
    }


def test_what_is_wrong_with_one_job_is_failing_until_it_passes() -> None:
    health = Health(now=0)
    health.take(WELL, None, now=1)
    health.take(ILL, None, now=2)
    health.take(ILL, None, now=3)
    assert (health.state, health.since, health.exceptions) == (State.FAILING, 2, 1)
    assert health.wrong == ILL.wrong
    health.take(WELL, None, now=4)
    assert (health.state, health.since, health.exceptions) == (State.HEALTHY, 4, 1)


def test_a_wait_at_the_beginning_is_none_until_it_has_lasted() -> None:
    """Such as the three blocks of a new journal's quarantine."""
    health = Health(now=0)
    health.take(WELL, "the node is syncing", now=BEGINNING_SECONDS - 1)
    assert health.state is State.STARTING
    health.take(WELL, "the node is syncing", now=BEGINNING_SECONDS)
    assert (health.state, health.exceptions) == (State.FAILING, 1)


def test_once_it_has_worked_no_trouble_is_one_of_the_beginning() -> None:
    health = Health(now=0)
    health.take(WELL, None, now=1)
    health.take(WELL, "the account is empty", now=2)
    assert (health.state, health.wrong) == (State.FAILING, ("the account is empty",))


def test_what_is_wrong_with_a_job_counts_from_the_beginning() -> None:
    health = Health(now=0)
    health.take(ILL, "nothing new is sent", now=1)
    assert health.state is State.FAILING


def test_what_happens_for_a_moment_is_counted_and_it_stays_healthy() -> None:
    health = Health(now=0)
    health.take(Vitals(exceptions=1), None, now=1)
    health.take(Vitals(exceptions=2, pokes=1), None, now=2)
    assert (health.state, health.exceptions, health.pokes) == (State.HEALTHY, 2, 1)


def test_counts_go_on_when_the_work_is_put_together_anew() -> None:
    health = Health(now=0)
    health.take(Vitals(exceptions=2, pokes=1), None, now=1)
    health.take(WELL, None, now=2)
    health.take(Vitals(exceptions=1), None, now=3)
    assert (health.exceptions, health.pokes) == (3, 1)


@pytest.mark.parametrize("parts", [[], [Vitals()], [Vitals(), Vitals()]])
def test_of_nothing_wrong_nothing_is_made(parts: list[Vitals]) -> None:
    assert together(parts) == Vitals()


def test_of_several_all_that_is_wrong_is_told() -> None:
    found = together([Vitals(("a",), 1, 0), Vitals(("b", "c"), 2, 3)])
    assert found == Vitals(("a", "b", "c"), 3, 3)
