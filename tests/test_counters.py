"""What a program counts: each time once, in cumulative buckets."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.counters import BOUNDS, Counters


@given(st.lists(st.floats(0, 100), max_size=50))
def test_buckets_are_cumulative_and_count_what_took_no_longer(times: list[float]) -> None:
    counters = Counters()
    for seconds in times:
        counters.has_left(seconds)
    latency = counters.told()["latency"]
    assert isinstance(latency, dict)
    assert latency["count"] == len(times)
    assert latency["buckets"] == {
        str(bound): sum(seconds <= bound for seconds in times) for bound in BOUNDS
    }
