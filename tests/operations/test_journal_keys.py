"""What is enough of a key to find its intent, and no other."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.operations.journal_keys import matching, nearest, short_names
from scheduler.transactions.journal.records import Name

CONTRACT = "0x" + "c0" * 20
CALL = "0x" + "11" * 20
OTHER = "0x" + "22" * 20


def call(kind: str, address: str, terms: str = "a" * 16) -> Name:
    """An intent of the alarm clock."""
    return Name(f"alarm:{kind}:5f0c:{CONTRACT}:{address}-{terms}", kind, CONTRACT)


def job(subject: str, epoch: int) -> Name:
    return Name(f"jobs:run:5f0c:{CONTRACT}:{subject}:{epoch}", "run", CONTRACT)


def test_a_call_is_known_by_its_address() -> None:
    names = [call("execute", CALL), call("execute", OTHER)]
    assert list(short_names(names).values()) == [CALL, OTHER]
    assert matching(CALL, names) == [names[0]]


def test_what_is_done_with_a_call_is_said_where_it_matters() -> None:
    names = [call("claim", CALL), call("execute", CALL), call("execute", OTHER)]
    assert list(short_names(names).values()) == [f"claim:{CALL}", f"execute:{CALL}", OTHER]
    assert matching(f"claim:{CALL}", names) == [names[0]]
    assert matching(CALL, names) == names[:2]


def test_a_call_created_anew_at_the_same_address_is_told_apart_by_its_terms() -> None:
    names = [call("execute", CALL, "a" * 16), call("execute", CALL, "b" * 16)]
    assert list(short_names(names).values()) == [f"{CALL}:{'a' * 16}", f"{CALL}:{'b' * 16}"]


def test_a_jobs_runs_are_told_apart_by_their_epochs() -> None:
    names = [job("ema", 1), job("ema", 12), job("settlement", 1)]
    assert list(short_names(names).values()) == ["ema:1", "ema:12", "settlement"]
    assert matching("ema:1", names) == [names[0]]


def test_a_beginning_is_enough_where_only_one_has_it() -> None:
    names = [call("execute", CALL), call("execute", OTHER)]
    assert matching("0x1111", names) == [names[0]]
    assert matching("0x", names) == names
    assert matching("0x3", names) == []


def test_the_whole_key_is_never_ambiguous() -> None:
    names = [Name("tests:1", "hit", CONTRACT), Name("tests:1:1", "hit", CONTRACT)]
    assert matching("tests:1", names) == [names[0]]


def test_nothing_is_not_a_part_of_every_key() -> None:
    assert matching("", [call("execute", CALL)]) == []
    assert matching("::", [call("execute", CALL)]) == []


def test_the_nearest_is_what_was_mistyped() -> None:
    names = [call("execute", CALL), call("execute", OTHER)]
    assert nearest(OTHER[:-1] + "3", names) == OTHER
    assert nearest(f"alarm:claim:5f0c:{CONTRACT}:{CALL}", names) == CALL
    assert nearest("anything", []) is None


pieces = st.text("ab1:-", min_size=1, max_size=4)
some_names = st.lists(
    st.builds(
        lambda kind, rest, inside: Name(
            f"f:{kind}:c:{CONTRACT}:{rest}" if inside else rest, kind, CONTRACT
        ),
        pieces,
        pieces,
        st.booleans(),
    ),
    unique_by=lambda name: name.key,
)


@given(some_names)
def test_every_short_name_leads_to_its_intent_alone(names: list[Name]) -> None:
    short = short_names(names)
    for name in names:
        if any(each.isalnum() for each in name.key):
            assert matching(short[name.key], names) == [name]
