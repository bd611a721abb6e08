"""`scheduler report` as an operator types it."""

import csv
import os
import pty
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.model import Receipt
from scheduler.cli import scheduler_commands
from scheduler.operations.report import By, statements
from scheduler.operations.report_listing import COLUMNS, CSV_ACCOUNT, CSV_AMOUNTS
from scheduler.transactions.encoding import DynamicFee, Transaction
from scheduler.transactions.intents import Intent, Verdict
from scheduler.transactions.journal import Account, Attempt, Journal, Prepared
from scheduler.transactions.journal.bookings import Booking
from scheduler.transactions.journal.pruning import BEGINNING
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.repairs import Repairs
from scheduler.transactions.states import OutcomeKind
from tests.commands import BIN, environment, refusal
from tests.transactions.samples import ACCOUNT, CHAIN, CONTRACT, intent, receipt

ETHER, GWEI = 10**18, 10**9
DAY = 86_400.0
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc).timestamp()
CALLS = [f"0x{number:02d}" + "ab" * 19 for number in range(3)]
FEE = 21_000 * 2 * GWEI
DEPOSIT = 10**16


class Books:
    """A journal whose program mines what a test says, on the days that it says."""

    def __init__(self, path: Path) -> None:
        self.now = NOON
        self.journal = Journal.open(path, clock=lambda: self.now)
        self.nonces: dict[Account, int] = {}

    def send(self, wish: Intent, account: Account = ACCOUNT, chain_id: int = 1) -> Attempt:
        """A transaction for the intent waits to be mined."""
        nonce = self.nonces.get(account, 0)
        if nonce == 0:
            self.journal.admit(account)
        self.nonces[account] = nonce + 1
        fee = DynamicFee(3 * GWEI, 1)
        asked = Transaction(chain_id, nonce, wish.to, wish.value, wish.gas, wish.data, fee)
        item = Prepared(replace(wish, chain=account.chain), asked, None, head_number=4)
        [attempt] = self.journal.reserve(account, [item])
        return attempt

    def mined(
        self, wish: Intent, verdict: Verdict, account: Account = ACCOUNT, chain_id: int = 1
    ) -> None:
        """The intent's transaction is mined, finally, at 2 gwei."""
        attempt = self.send(wish, account, chain_id)
        attempt = replace(attempt, hash=f"0x{attempt.id:064x}")
        self.journal.mined(attempt, self.receipt(attempt), verdict)
        self.journal.final(account, attempt)

    @staticmethod
    def receipt(attempt: Attempt) -> Receipt:
        return replace(receipt(attempt), gas_price=2 * GWEI)


def call(kind: str, address: str, value: int = 0) -> Intent:
    key = f"alarm:{kind}:{CHAIN}:{CONTRACT}:{address}-{'7' * 16}"
    return intent(key, family="alarm", kind=kind, params={"call": address}, value=value)


def claimed(earned: int) -> Verdict:
    return Verdict(OutcomeKind.SUCCEEDED, "claimed", earned, returned=earned)


def executed(earned: int, returned: int = 0) -> Verdict:
    return Verdict(OutcomeKind.SUCCEEDED, "executed", earned, returned)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "journal.db")


@pytest.fixture
def home(tmp_path: Path, books: Books) -> Path:
    """On the first day a call of v0.7 is claimed and executed, one of 1.0 is claimed, and the
    deposit for a third is lost; on the second a job is done, and the call of 1.0 is executed."""
    first, second, third = CALLS
    books.mined(call("claim", first, DEPOSIT), claimed(DEPOSIT))
    books.mined(call("execute", first), executed(3 * DEPOSIT))
    books.mined(call("claim", second, DEPOSIT), claimed(0))
    books.mined(call("claim", third, DEPOSIT), Verdict(OutcomeKind.DEPOSIT_LOST, "kept"))
    books.now += DAY
    job = intent("jobs/poke:1", family="jobs/poke")
    books.mined(job, Verdict(OutcomeKind.SUCCEEDED, "poked"))
    books.mined(call("execute", second), executed(2 * DEPOSIT, DEPOSIT))
    return tmp_path


def report(home: Path, *words: str) -> str:
    """What the command writes; it must do well, and leave the journal alone."""
    before = (home / "journal.db").read_bytes()
    variables = {"SCHEDULER_JOURNAL": str(home / "journal.db")}
    done = CliRunner().invoke(scheduler_commands, ["report", *words], env=variables)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (home / "journal.db").read_bytes() == before
    return done.stdout


def table(home: Path, *words: str) -> list[dict[str, int]]:
    rows = csv.DictReader(report(home, "--csv", *words).splitlines())
    return [{k: int(v) if k in CSV_AMOUNTS else v for k, v in row.items()} for row in rows]


def test_by_call_every_wei_is_where_it_belongs(home: Path) -> None:
    rows = table(home, "--by", "call")
    assert [(row["call"], row["family"]) for row in rows] == [
        *((each, "alarm") for each in CALLS),
        ("", "jobs/poke"),
    ]
    first, second, third, job = rows
    nothing = dict.fromkeys(CSV_AMOUNTS, 0)
    assert first == {
        **first, **nothing, "transactions": 2, "earned": 3 * DEPOSIT, "fees": 2 * FEE,
        "staked": DEPOSIT, "returned": DEPOSIT, "net": 3 * DEPOSIT - 2 * FEE,
    }  # fmt: skip
    assert second == {
        **second, **nothing, "transactions": 2, "earned": DEPOSIT, "fees": 2 * FEE,
        "staked": DEPOSIT, "returned": DEPOSIT, "net": DEPOSIT - 2 * FEE,
    }  # fmt: skip
    assert third == {
        **third, **nothing, "transactions": 1, "fees": FEE, "staked": DEPOSIT, "lost": DEPOSIT,
        "net": -DEPOSIT - FEE,
    }  # fmt: skip
    assert job == {**job, **nothing, "transactions": 1, "fees": FEE, "net": -FEE}


def test_by_day_a_deposit_that_is_out_overnight_is_at_stake(home: Path) -> None:
    first, second = table(home, "--by", "day")
    assert (first["day"], second["day"]) == ("2026-03-01", "2026-03-02")
    assert (first["staked"], first["returned"], first["lost"]) == (3 * DEPOSIT, DEPOSIT, DEPOSIT)
    assert (second["staked"], second["returned"], second["earned"]) == (0, DEPOSIT, DEPOSIT)
    lines = report(home, "--by", "day").splitlines()
    assert lines[0] == f"{ACCOUNT.address} on mainnet (chain id 1), in ether"
    [header, *days, total] = [re.split(" {2,}", line) for line in lines[2:6]]
    assert header == ["day (UTC)", *COLUMNS]
    assert days[0] == ["2026-03-01", "4", "0.03", "0.000168", "0.01", "0.01", "0.009832"]
    assert days[1] == ["2026-03-02", "2", "0.01", "0.000084", "-0.01", "0", "0.019916"]
    assert total == ["total", "6", "0.04", "0.000252", "0", "0.01", "0.029748"]
    assert "At stake now: 0 ether." in lines


def test_the_whole_report_has_both(home: Path) -> None:
    lines = report(home).splitlines()
    assert len([line for line in lines if line.startswith("total ")]) == 2
    assert any(line.startswith("2026-03-01 ") for line in lines)
    assert any(line.startswith("jobs/poke ") for line in lines)
    assert {(row["day"], row["call"]) for row in table(home)} >= {
        ("2026-03-01", CALLS[1]),
        ("2026-03-02", CALLS[1]),
    }


@pytest.mark.parametrize("ways", [("--by", "day"), ("--by", "call"), ()])
def test_the_lines_of_every_way_add_up_to_the_same(home: Path, ways: Sequence[str]) -> None:
    whole = 4 * DEPOSIT - DEPOSIT - 6 * FEE
    assert sum(row["net"] for row in table(home, *ways)) == whole
    for row in table(home, *ways):
        came, went = row["earned"] + row["returned"], row["fees"] + row["transferred"]
        assert row["net"] == came - went - row["staked"]


def test_a_period_begins_with_its_first_day(home: Path) -> None:
    assert len(table(home, "--by", "day", "--since", "2026-03-01")) == 2
    assert [row["day"] for row in table(home, "--by", "day", "--since", "2026-03-02")] == [
        "2026-03-02"
    ]
    assert table(home, "--since", "2026-03-03") == []
    shown = report(home, "--since", "2026-03-03")
    assert "At stake now: 0 ether." in shown


def test_what_is_at_stake_is_told_whatever_the_period_is(home: Path, books: Books) -> None:
    books.mined(call("claim", "0x" + "99" * 20, DEPOSIT), claimed(0))
    assert "At stake now: 0.01 ether." in report(home, "--since", "2026-04-01").splitlines()


def test_so_many_days_end_with_today(home: Path, books: Books) -> None:
    books.now = datetime.now(timezone.utc).timestamp()
    books.mined(call("execute", CALLS[2]), executed(1))
    # Were it midnight just now, yesterday's one would be in the second.
    assert [row["earned"] for row in table(home, "--by", "day", "--days", "2")] == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "'yesterday' does not match the format"),
        (("--days", "0"), "0 is not in the range"),
        (("--since", "2026-03-01", "--days", "1"), "--since and --days exclude one another"),
        (("--by", "hour"), "'hour' is not one of"),
        (("--journal", "nowhere.db"), "there is no journal at nowhere.db"),
    ],
)
def test_bad_input_is_one_line(home: Path, words: Sequence[str], said: str) -> None:
    assert said in refusal(home, "scheduler", "report", *words)


def test_an_empty_journal_is_a_report_of_nothing(tmp_path: Path) -> None:
    Journal.open(tmp_path / "journal.db").close()
    assert report(tmp_path) == "nothing was sent yet\n"
    header = ",".join([*CSV_ACCOUNT, "day", "family", "contract", "call", *CSV_AMOUNTS])
    assert report(tmp_path, "--csv") == header + "\n"


def test_another_journal_can_be_named(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("other") / "copy.db"
    Journal.open(empty).close()
    assert report(home, "--journal", str(empty)) == "nothing was sent yet\n"


def test_accounts_and_chains_are_kept_apart(home: Path, books: Books) -> None:
    other = Account("fedcba9876543210", "0x" + "ee" * 20)
    job = intent("jobs/poke:other", family="jobs/poke", chain=other.chain)
    books.mined(job, Verdict(OutcomeKind.SUCCEEDED, "poked"), other, chain_id=30)
    second = [row for row in table(home) if row["account"] == other.address]
    assert [(row["chain"], row["chain_id"], row["net"]) for row in second] == [
        (other.chain, "30", -FEE)
    ]
    headings = [line for line in report(home).splitlines() if "chain id" in line]
    assert headings == [
        f"{ACCOUNT.address} on mainnet (chain id 1), in ether",
        f"{other.address} on rsk-mainnet (chain id 30), in ether",
    ]


def test_what_waits_is_told_with_what_it_may_cost(home: Path, books: Books) -> None:
    books.send(call("claim", "0x" + "99" * 20, DEPOSIT))
    worst = DEPOSIT + 50_000 * 3 * GWEI
    assert worst == 10_150_000 * GWEI
    line = "On their way: 1 transaction, which may take up to 0.01015 ether."
    assert line in report(home).splitlines()


def test_what_is_not_final_counts_and_is_told(home: Path, books: Books) -> None:
    attempt = books.send(call("execute", CALLS[2]))
    attempt = replace(attempt, hash="0x" + "ab" * 32)
    books.journal.mined(attempt, books.receipt(attempt), executed(DEPOSIT))
    [row] = [row for row in table(home, "--by", "call") if row["call"] == CALLS[2]]
    assert (row["transactions"], row["not_final"]) == (2, 1)
    assert "Not final yet: 1 transaction; a reorg may still take them back." in report(home)
    books.journal.unmined(replace(attempt))
    [row] = [row for row in table(home, "--by", "call") if row["call"] == CALLS[2]]
    assert (row["transactions"], row["not_final"]) == (1, 0)


def test_what_a_stranger_sent_from_the_account_is_spent(home: Path, books: Books) -> None:
    """It was seen in the pool with a nonce that was free, and mined."""
    nonce = books.nonces[ACCOUNT]
    seen = Transaction(1, nonce, CALLS[0], ETHER, 21_000, b"", DynamicFee(3 * GWEI, 1))
    item = Prepared(Repairs(ACCOUNT).intent(nonce), seen, None, head_number=4)
    books.journal.adopt_stranger(ACCOUNT, item, "0x" + "5a" * 32)
    [attempt] = books.journal.open_attempts(ACCOUNT)
    verdict = Verdict(OutcomeKind.SUCCEEDED, "consumed")
    books.journal.mined(attempt, books.receipt(attempt), verdict)
    [row] = [row for row in table(home, "--by", "call") if row["family"] == "account"]
    assert (row["transferred"], row["staked"], row["net"]) == (ETHER, 0, -ETHER - FEE)
    assert any(line.startswith("the account's nonces ") for line in report(home).splitlines())


def test_a_transfer_that_reverts_or_is_to_oneself_leaves_nothing_but_its_fee(
    home: Path, books: Books
) -> None:
    wish = call("claim", CALLS[2], DEPOSIT)
    for number, (changed, to) in enumerate([(False, CONTRACT), (True, ACCOUNT.address)]):
        attempt = books.send(replace(wish, key=f"{wish.key}:{number}", to=to))
        attempt = replace(attempt, hash=f"0x{number + 77:064x}")
        mined = replace(books.receipt(attempt), status=changed)
        books.journal.mined(attempt, mined, Verdict(OutcomeKind.REVERTED, "no"))
    [row] = [row for row in table(home, "--by", "call") if row["call"] == CALLS[2]]
    assert (row["staked"], row["fees"]) == (DEPOSIT, 3 * FEE)


def test_a_nonce_that_the_journal_knows_nothing_of_is_told(home: Path, books: Books) -> None:
    attempt = books.send(call("execute", CALLS[2]))
    books.journal.displaced(ACCOUNT, attempt, "0x" + "ab" * 32, 5, "0x" + "b" * 64)
    assert (
        "Not in here: 1 transaction from the account that somebody else sent."
        in report(home).splitlines()
    )


def test_what_is_forgotten_still_counts_by_day_and_by_job(home: Path, books: Books) -> None:
    whole = report(home, "--by", "day")
    by_day = table(home, "--by", "day")
    books.now += 1_000 * DAY
    books.journal.prunings.prune(ACCOUNT, BEGINNING, books.now - DAY, 10**6, lambda told: True)
    with reading(home / "journal.db") as opened:
        assert len(list(opened.rows("outcomes"))) == 1
        past = [(row["day"], row["family"]) for row in opened.rows("past_days")]
    assert past == [("2026-03-01", "alarm"), ("2026-03-02", "jobs/poke")]
    assert report(home, "--by", "day") == whole
    assert table(home, "--by", "day") == by_day
    lines = report(home, "--by", "call").splitlines()
    assert any(line.startswith("older calls ") for line in lines)
    assert any(line.startswith("jobs/poke ") for line in lines)


def test_what_is_forgotten_bit_by_bit_adds_up(books: Books, tmp_path: Path) -> None:
    """Amounts beyond 64 bits are summed by no database."""
    for number in range(4):
        address = f"0x{number:040x}"
        books.mined(call("execute", address), executed(10**25 + number))
        if number:
            books.now += 1_000
            books.journal.prunings.prune(ACCOUNT, BEGINNING, books.now, 10**6, lambda told: True)
    [day] = table(tmp_path, "--by", "day")
    assert (day["transactions"], day["earned"]) == (4, 4 * 10**25 + 6)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_on_a_terminal_no_amount_is_cut_and_no_line_is_longer(home: Path, width: int) -> None:
    reader, writer = pty.openpty()
    subprocess.run(
        [str(BIN / "scheduler"), "report"],
        env={**environment(home, {}), "COLUMNS": str(width), "TERM": "xterm"},
        stdout=writer,
        check=True,
    )
    os.close(writer)
    shown = b""
    with os.fdopen(reader, "rb", buffering=0) as terminal, suppress(OSError):
        while piece := terminal.read(4096):
            shown += piece
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(len(line) for line in lines if "chain id" not in line) <= width
    [total, _] = [line.split() for line in lines if line.startswith("total")]
    assert total[-1] == "0.029748"
    assert any(line.startswith(CALLS[0][:12]) for line in lines)


AMOUNTS = st.integers(0, 10**24)
BOOKINGS = st.lists(
    st.builds(
        Booking,
        st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-05"]),
        st.just(CHAIN),
        st.just(ACCOUNT.address),
        st.just(1),
        st.sampled_from(["alarm", "jobs/poke", "account"]),
        st.just(CONTRACT),
        st.sampled_from([None, *CALLS]),
        st.just(1),
        *[AMOUNTS] * 5,
        st.integers(0, 1),
    ),
    min_size=1,
)


@given(bookings=BOOKINGS)
def test_whatever_was_booked_no_wei_appears_or_disappears(bookings: list[Booking]) -> None:
    changed = sum(each.earned - each.fees - each.sent for each in bookings)
    for ways in (list(By), [By.CALL], [By.DAY]):
        [statement] = statements(bookings, ways)
        assert statement.total.net == changed
        assert sum(sums.net for sums in statement.lines.values()) == changed
        assert statement.ever == statement.total
    [first] = statements(bookings, [By.DAY], "2026-03-02")
    assert first.total.net + sum(
        each.earned - each.fees - each.sent for each in bookings if each.day < "2026-03-02"
    ) == changed  # fmt: skip
