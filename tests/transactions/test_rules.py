"""What no rule allows is not signed; an operator may make rules stricter, never looser."""

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from scheduler.alarm.rules import rules
from scheduler.transactions.encoding import DynamicFee, Transaction
from scheduler.transactions.rules import ANY, FOR_ANY, Rule, RuleBook, Tightening

US, FRIEND, STRANGER = ("0x" + digit * 40 for digit in "abc")
HIT = keccak(text="hit()")[:4]
RULE = Rule("tests.hit", HIT, max_value=5, max_gas_cost=1000, recipients=frozenset({FRIEND}))
ALLOWED = Transaction(1, 0, FRIEND, 5, 10, HIT, DynamicFee(100, 1))


def objection(transaction: Transaction, rule: Rule = RULE, **stricter: object) -> str | None:
    return RuleBook({"tests": [rule]}, Tightening(**stricter)).objection("tests", US, transaction)  # type: ignore[arg-type]


def changed(**fields: object) -> Transaction:
    values = {name: getattr(ALLOWED, name) for name in ALLOWED.__slots__}
    return Transaction(**{**values, **fields})  # type: ignore[arg-type]


def test_what_a_rule_allows_to_the_last_wei_is_signed() -> None:
    assert objection(ALLOWED) is None
    assert objection(changed(nonce=99, data=HIT + b"with arguments")) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to": STRANGER}, "does not allow 0xcccc"),
        ({"value": 6}, "it would send 6 wei along, and the rule tests.hit allows 5"),
        ({"gas": 11}, "its gas may cost more than the 1000 wei"),
        ({"fee": DynamicFee(101, 1)}, "its gas may cost more than the 1000 wei"),
        ({"data": b"\0" * 4}, "no rule of the family tests allows the function 0x00000000 to"),
        ({"data": HIT[:3]}, "no rule of the family tests allows the function"),
        ({"data": b""}, "no rule of the family tests allows a plain transfer to"),
    ],
    ids=repr,
)
def test_what_no_rule_allows_is_refused_in_plain_words(fields: dict[str, object], why: str) -> None:
    said = objection(changed(**fields))
    assert said is not None
    assert why in said


def test_a_family_without_rules_has_nothing_signed() -> None:
    said = RuleBook({"tests": [RULE]}).objection("others", US, ALLOWED)
    assert said == f"no rule of the family others allows the function 0x{HIT.hex()} to {FRIEND}"


def test_one_of_several_rules_for_a_function_is_enough() -> None:
    other = Rule("tests.more", HIT, 0, 10**9, frozenset({STRANGER}))
    book = RuleBook({"tests": [RULE, other]})
    assert book.objection("tests", US, changed(to=STRANGER, value=0)) is None
    assert book.objection("tests", US, changed(to=STRANGER, value=1)) is not None


def test_nobody_needs_a_rule_to_send_nothing_to_himself() -> None:
    nothing = changed(to=US, value=0, data=b"", gas=21_000)
    assert RuleBook({}).objection("whoever", US, nothing) is None
    # Not even the strictest operator prevents that a nonce is freed.
    assert objection(nothing, max_value=0, max_gas_cost=0, recipients=frozenset()) is None


@pytest.mark.parametrize(
    "fields",
    [{"to": FRIEND}, {"value": 1}, {"data": b"\0"}, {"fee": DynamicFee(10**15, 1)}],
    ids=str,
)
def test_anything_more_than_that_needs_one(fields: dict[str, object]) -> None:
    nothing = {"to": US, "value": 0, "data": b"", "gas": 21_000}
    assert RuleBook({}).objection("whoever", US, changed(**{**nothing, **fields})) is not None


def test_only_what_an_alarm_calls_may_be_called_of_anybody() -> None:
    assert {rule.selector for rule in rules(1) if rule.recipients is ANY} <= FOR_ANY
    assert keccak(text="execute()")[:4] in FOR_ANY
    for name in ("transfer(address,uint256)", "approve(address,uint256)", "hit()", ""):
        with pytest.raises(ValueError, match="must name its recipients"):
            Rule("any", keccak(text=name)[:4], 0, 1, ANY)
    with pytest.raises(ValueError, match="must name its recipients"):
        Rule("a plain transfer", b"", 0, 1, ANY)


small = st.integers(0, 12)
addresses = st.sampled_from([US, FRIEND, STRANGER])


@given(
    transaction=st.builds(
        lambda **fields: changed(**fields),
        to=addresses,
        value=small,
        gas=small,
        data=st.sampled_from([HIT, b"", keccak(text="execute()")[:4]]),
    ),
    rule=st.one_of(
        st.builds(Rule, st.just("a"), st.just(HIT), small, small.map(lambda n: n * 100),
                  st.frozensets(addresses)),
        st.builds(Rule, st.just("b"), st.just(keccak(text="execute()")[:4]), small,
                  small.map(lambda n: n * 100), st.just(ANY)),
    ),
    max_value=st.none() | small,
    max_gas_cost=st.none() | small.map(lambda n: n * 100),
    recipients=st.none() | st.frozensets(addresses),
)  # fmt: skip
def test_tightening_never_allows_what_the_rule_does_not(
    transaction: Transaction,
    rule: Rule,
    max_value: int | None,
    max_gas_cost: int | None,
    recipients: frozenset[str] | None,
) -> None:
    stricter = objection(
        transaction, rule, max_value=max_value, max_gas_cost=max_gas_cost, recipients=recipients
    )
    if objection(transaction, rule) is not None:
        assert stricter is not None
    elif stricter is None and transaction.data:
        assert max_value is None or transaction.value <= max_value
        assert recipients is None or transaction.to in recipients
