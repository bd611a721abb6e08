"""What follows from the signing rules: clef's rule file, and how much ether an account needs.

That clef decides by the file as it should is tested with a real one, in tests/provision.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scheduler.errors import Misconfigured
from scheduler.operations.signing_commands import clef, needs

JOB = """
[[jobs]]
name = "harvest"
contract = "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"
call = "work()"
when = "workable()"
gas-limit = 100000
"""


def printed(command: object, file: Path, text: str) -> Result:
    file.write_text(text)
    return CliRunner().invoke(command, ["--config", str(file)])  # type: ignore[arg-type]


def rules(output: str) -> list[dict[str, object]]:
    """The data in clef's rule file."""
    data = output.partition("var RULES = ")[2].partition(";\n")[0]
    found: list[dict[str, object]] = json.loads(data)
    return found


def test_clef_gets_every_rule_with_its_recipients_where_they_are_fixed(tmp_path: Path) -> None:
    found = rules(printed(clef, tmp_path / "config.toml", JOB).output)
    alarm = ["alarm.execute", "alarm.claim", "alarm.cleanup"]
    assert [rule["name"] for rule in found] == [*alarm, "jobs/harvest"]
    assert [rule["recipients"] for rule in found[:-1]] == [None] * len(alarm)
    assert found[-1]["recipients"] == ["0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"]
    assert found[-1]["maxValue"] == "0"


def test_clefs_rules_are_as_strict_as_the_operator_made_them(tmp_path: Path) -> None:
    text = '[signing]\nmax-value = "1 gwei"\nmax-gas-cost = "0.01 ether"\n'
    found = rules(printed(clef, tmp_path / "config.toml", text).output)
    assert {rule["maxGasCost"] for rule in found} == {str(10**16)}
    assert [rule["maxValue"] for rule in found] == ["0", str(10**9), "0"]


@pytest.mark.parametrize(
    ("text", "ether"),
    [
        ("", "4 ether\n"),
        # 16,777,216 gas at 10 gwei, and nothing sent along: more than a claim with its deposit.
        ('[fees]\nmax-gas-price = "10 gwei"\n', "0.375544 ether\n"),
        ('[signing]\nmax-gas-cost = "0.5 ether"\n', "1 ether\n"),
    ],
)
def test_an_account_needs_twice_what_its_dearest_transaction_may_cost(
    tmp_path: Path, text: str, ether: str
) -> None:
    assert printed(needs, tmp_path / "config.toml", text).output == ether


def test_rules_that_only_the_chain_tells_are_not_made_up(tmp_path: Path) -> None:
    text = '[moc]\naddress = "0xf773b590af754d597770937fa8ea7abdf2668370"\n'
    error = printed(clef, tmp_path / "config.toml", text).exception
    assert isinstance(error, Misconfigured)
    assert 'signer = "keystore"' in str(error)
