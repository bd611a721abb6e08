"""Keys from the environment sign as a key file's do, and are found nowhere afterwards."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.devchain.chain import DevelopmentChain
from scheduler.errors import Misconfigured
from scheduler.plan import Plan
from scheduler.transactions.environment import VARIABLES, key_for, keys_in
from tests.commands import alarm_chain, eth_alarm, mine_up_to, refusal, schedule_on

ONE, TWO, THREE = (PrivateKey(bytes([number]) * 32) for number in (0x51, 0x52, 0x53))
ETHER = 10**18


def text(key: PrivateKey) -> str:
    return key.to_bytes().hex()


def address(key: PrivateKey) -> str:
    return str(key.public_key.to_address())


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


@pytest.mark.parametrize(
    "environment",
    [
        {"ACCOUNT_PK_SECRET": f"{text(ONE)},{text(TWO)},{text(THREE)}"},
        {"ACCOUNT_PK_SECRET": f" 0x{text(ONE)} , {text(TWO).upper()},0x{text(THREE)}\n"},
        {"ACCOUNT_PK_SECRET": text(ONE), "ACCOUNT_PK_SECRET_2": f"{text(TWO)},{text(THREE)}"},
        {
            "ACCOUNT_PK_SECRET_9": text(THREE),
            "ACCOUNT_PK_SECRET_1": text(ONE),
            "ACCOUNT_PK_SECRET_5": text(TWO),
            "ACCOUNT_PK_SECRET": "",
        },
    ],
    ids=["a list", "prefixes and blanks", "a variable and a list", "numbers only"],
)
def test_all_variables_make_one_list_of_which_the_first_sends(environment: dict[str, str]) -> None:
    assert list(keys_in(environment)) == [ONE, TWO, THREE]
    assert key_for(None, environment) == ONE
    assert key_for(address(THREE), environment) == THREE


def test_there_are_ten_variables() -> None:
    assert VARIABLES[0] == "ACCOUNT_PK_SECRET"
    assert VARIABLES[1:] == tuple(f"ACCOUNT_PK_SECRET_{number}" for number in range(1, 10))


def test_an_account_without_its_key_is_told_with_those_that_have_one() -> None:
    with pytest.raises(Misconfigured, match=f"those of {address(ONE)}, {address(TWO)}; correct"):
        key_for(address(THREE), {"ACCOUNT_PK_SECRET": f"{text(ONE)},{text(TWO)}"})


ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


@pytest.mark.parametrize(
    "value",
    ["hunter2hunter2", text(ONE)[:-1], text(ONE) + "0", "0x" + "zz" * 32, "0" * 64, ORDER,
     f"{text(ONE)};{text(TWO)}", f"'{text(ONE)}'"],
    ids=["a word", "too short", "too long", "other letters", "zero", "the order of the group",
         "semicolons", "quotes"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["ACCOUNT_PK_SECRET", "ACCOUNT_PK_SECRET_7"])
def test_what_is_no_key_is_told_by_its_variable_and_not_by_its_value(
    variable: str, value: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        key_for(None, {variable: value})
    said = str(refused.value)
    assert said.startswith(f"{variable}: this is no private key; write 64 hexadecimal digits")
    assert value not in said
    assert refused.value.__cause__ is None
    with pytest.raises(Misconfigured, match=f"^{variable}: key 2 of 3: this is no private key"):
        key_for(None, {variable: f"{text(ONE)},{value},{text(TWO)}"})


@pytest.mark.parametrize("command", [("scheduler", "run", "scheduler"), ("eth_alarm", "scheduler"),
                                     ("scheduler", "config", "check")], ids=" ".join)  # fmt: skip
def test_a_wrong_value_ends_a_command_with_one_line_and_exit_2(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    secret = text(ONE)[:-2]
    said = refusal(
        tmp_path,
        *command,
        SCHEDULER_SIGNER="environment",
        ACCOUNT_PK_SECRET=f"{text(TWO)},{secret}",
    )
    assert "ACCOUNT_PK_SECRET: key 2 of 2: this is no private key" in said
    assert secret not in said
    assert text(TWO) not in said


def test_without_any_key_it_says_what_is_needed(tmp_path: Path) -> None:
    said = refusal(tmp_path, "scheduler", "config", "check", SCHEDULER_SIGNER="environment")
    assert said.endswith("ACCOUNT_PK_SECRET; safer is a key file: scheduler account new")


def test_a_plan_does_not_print_its_key() -> None:
    values = {each.name: each.name for each in fields(Plan)}
    plan = Plan(**{**values, "key": text(ONE)})  # type: ignore[arg-type]
    assert "journal" in repr(plan)
    assert text(ONE) not in f"{plan} {plan!r}"


@pytest.mark.parametrize("which", ["the first", "the one that account names"])
def test_it_executes_a_call_and_the_key_is_nowhere_to_be_found(
    chain: DevelopmentChain, tmp_path: Path, which: str
) -> None:
    extra = {"SCHEDULER_SIGNER": "environment", "ACCOUNT_PK_SECRET": f"{text(ONE)},0x{text(TWO)}",
             "ACCOUNT_PK_SECRET_3": text(THREE), "LOG_LEVEL": "DEBUG"}  # fmt: skip
    sender = ONE
    if which != "the first":
        sender, extra["SCHEDULER_ACCOUNT"] = THREE, address(THREE)
    chain.endpoint.request("anvil_setBalance", address(sender), hex(ETHER))
    with eth_alarm(chain, tmp_path, **extra) as program:
        program.saw("Heartbeat")
        call = schedule_on(chain, ahead=11)
        program.saw(f"Tracking call: {call.address}")
        mine_up_to(chain, call.target_block - 1)
        program.saw("Outcome: succeeded")
        of_process = [
            Path(f"/proc/{program.pid}/{name}").read_bytes()
            for name in ("cmdline", "environ", "status")
        ]
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert program.stop() == 0
    assert chain.endpoint.number("eth_getTransactionCount", address(sender), "latest") >= 1
    everything = [*of_process, *written, "\n".join(program.lines + program.errors).encode()]
    assert len(written) >= 2  # the journal, and the sign of life at least
    assert b"PYTHONSAFEPATH" in of_process[1]
    for key in (ONE, TWO, THREE):
        for form in (text(key).encode(), text(key).upper().encode(), key.to_bytes()):
            assert [each for each in everything if form in each] == []
