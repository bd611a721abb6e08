"""No output shows a secret, and what is none is shown as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import redaction
from scheduler.chain.endpoint import secrets_in, without
from scheduler.redaction import hide, hide_key, redacted

KEY = "0123456789abcdef0123"


@pytest.fixture(autouse=True)
def _forgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test hides is hidden for that test alone."""
    monkeypatch.setattr(redaction, "_known", [])


def test_the_longer_secret_is_taken_out_first() -> None:
    """Else what is left of it would be shown."""
    endpoint = f"http://user:{KEY[:4]}@127.0.0.1/{KEY}"
    assert without(secrets_in(endpoint), f"no project {KEY}") == "no project …"
    hide([KEY[:4]])
    hide([KEY])
    assert redacted(f"no project {KEY}") == "no project …"


@given(key=st.binary(min_size=32, max_size=32), before=st.text(), after=st.text())
def test_a_private_key_is_hidden_however_an_exception_writes_it(
    key: bytes, before: str, after: str
) -> None:
    hide_key(key)
    number = int.from_bytes(key, "big")
    for written in (key.hex(), key.hex().upper(), f"0x{key.hex()}", repr(key), f"{key!r}"[2:-1]):
        assert written not in redacted(f"{before}{written}{after}")
    if number > 2**64:
        assert str(number) not in redacted(f"{before}{number}{after}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"POST https://rpc.example/v3/{KEY} failed", "POST https://rpc.example/v3/… failed"),
        (f"(wss://rpc.example/?apikey={KEY}), again", "(wss://rpc.example/?apikey=…, again"),
        ("see http://me:open-sesame@127.0.0.1:8545/x", "see http://me:…@127.0.0.1:8545/x"),
        ("two http://a:bbbb@c and ws://d:eeee@f", "two http://a:…@c and ws://d:…@f"),
        ("what http://[::1 is no URL", "what … is no URL"),
        ("{'Authorization': 'Bearer abcdefgh.ijk'}", "{'Authorization': 'Bearer …'}"),
        ('"password": "correct horse"', '"password": "…"'),
        ("private_key=" + "ab" * 32, "private_key=…"),
        ("AKIAIOSFODNN7EXAMPLE may not", "… may not"),
        (
            "x -----BEGIN EC PRIVATE KEY-----\nMHQCAQ\n-----END EC PRIVATE KEY----- y",
            "x … y",
        ),
        ("token: eyJhbGciOiJI.eyJzdWIiOiIx.SflKxw", "token: …"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"transaction 0x{'ab' * 32} is final",
        f"alarm/7:execute:{'0f' * 32}:0x{'12' * 20}:0x{'34' * 20}",
        "http://127.0.0.1:8545 works again after 3.1 s.",
        'signer = "keystore" needs a table [keystore] with file = "…" and password-file = "…"',
        "the password in /etc/scheduler/key.password does not open /etc/scheduler/key.json",
        "ACCOUNT_PK_SECRET: this is no private key; write 64 hexadecimal digits",
        "> Heartbeat: block #328 : block_time: 1.90237202068",
        "ipc:/data/ethereum/geth.ipc",
        "",
    ],
)
def test_hashes_addresses_and_our_own_words_are_shown(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann@one,two:5433/journal?sslmode=verify-full", None),
        ("postgresql://ann@/journal?host=/run/postgresql&port=5432", None),
        ("postgresql://ann:hush@box/journal", "postgresql://ann:…@box/journal"),
        ("postgresql://ann:hu/sh:@h@box/journal", "postgresql://ann:…@box/journal"),
        ("postgres://:hush@box/journal", "postgres://:…@box/journal"),
        ("postgresql://box/j?port=1&password=hush", "postgresql://box/j?port=1&password=…"),
        ("postgresql://box/j?sslpassword=hush", "postgresql://box/j?sslpassword=…"),
    ],
)
def test_of_a_databases_url_only_the_password_is_hidden(url: str, shown: str | None) -> None:
    """Else no command that a message names could be typed."""
    line = f"cannot be read; see: pg_isready -d '{url}'"
    assert redacted(line) == line.replace(url, shown or url)
