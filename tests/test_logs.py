"""Log lines as operators know them, without secrets."""

import os
import subprocess
import sys

import pytest

from scheduler.chain.endpoint import secrets_in, without

KEY = "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("endpoint", "secrets"),
    [
        ("/data/ethereum/geth.ipc", set()),
        ("http://127.0.0.1:8545", set()),
        ("wss://public-node.example/websocket/v3/mainnet", set()),
        (f"https://mainnet.example/v3/{KEY}", {KEY}),
        (f"wss://mainnet.example/?apikey={KEY}&x=1", {KEY}),
        (f"https://mainnet.example/{KEY[:8]}/rpc", {KEY[:8]}),
        ("http://user:pa%21ss@127.0.0.1:8545/", {"pa%21ss", "pa!ss", "dXNlcjpwYSFzcw=="}),
        ("https://projectkey@mainnet.example/", {"projectkey", "cHJvamVjdGtleTo="}),
        ("https://projectkey:@mainnet.example/", {"projectkey", "cHJvamVjdGtleTo="}),
    ],
)
def test_the_secrets_of_an_endpoint_are_its_password_and_long_pieces(
    endpoint: str, secrets: set[str]
) -> None:
    assert set(secrets_in(endpoint)) == secrets


def test_the_longer_secret_is_taken_out_first() -> None:
    """Else what is left of it would be shown."""
    endpoint = f"http://user:{KEY[:4]}@127.0.0.1/{KEY}"
    assert without(secrets_in(endpoint), f"no project {KEY}") == "no project …"


def test_a_log_in_another_encoding_shows_every_line() -> None:
    program = "import logging; from scheduler import logs; logs.configure(); logging.error('1…2')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("1\\u20262\n")
    assert done.stderr == ""
