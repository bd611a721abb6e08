"""The buckets by which a RequestFactory of 1.0 files its requests in the log. Pure."""

from scheduler.alarm.calls import Moment, Unit
from scheduler.chain.model import Hash

# BLOCKS_BUCKET_SIZE and TIMESTAMP_BUCKET_SIZE of RequestFactory.
SIZE = {Unit.BLOCKS: 240, Unit.SECONDS: 3600}

# How many buckets back a window may have begun that is still open, and how many ahead it may begin
# whose call is looked at. A longer window is found while the program runs, and after a start within
# as long from its beginning: 10 hours of blocks of 15 s, and a day.
BACK = {Unit.BLOCKS: 10, Unit.SECONDS: 24}
AHEAD = {Unit.BLOCKS: 2, Unit.SECONDS: 2}


def around(now: Moment, unit: Unit) -> range:
    """The first blocks or seconds of the buckets whose calls may be open, or near, at `now`."""
    size = SIZE[unit]
    current = now.of(unit) // size * size
    return range(max(0, current - BACK[unit] * size), current + AHEAD[unit] * size + 1, size)


def numbers(unit: Unit, starts: range) -> list[int]:
    """These buckets as RequestFactory.getBucket numbers them: negative for blocks."""
    return [-start if unit is Unit.BLOCKS else start for start in starts]


def topic(bucket: int) -> Hash:
    """A bucket's number as a topic: an int256."""
    return "0x" + (bucket % 2**256).to_bytes(32, "big").hex()


def of_topic(topic: Hash) -> int:
    """The number of the bucket that a topic names."""
    return int.from_bytes(bytes.fromhex(topic[2:]), "big", signed=True)
