"""Where a node is: read from text, and told without secrets."""

import pytest

from scheduler.chain.endpoint import Endpoint, secrets_in


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("https://rpc.example", "https://rpc.example:443"),
        ("HTTP://rpc.example/", "http://rpc.example:80"),
        ("ws://[::1]:8546", "ws://[::1]:8546"),
        ("wss://user:pass@rpc.example/v3/key?token=key", "wss://rpc.example:443"),
        ("https://user:pass@rpc.example:8/v3/key?token=key", "https://rpc.example:8"),
        ("/data/ethereum/geth.ipc", "/data/ethereum/geth.ipc"),
    ],
)
def test_shown_without_credentials_and_keys(text: str, shown: str) -> None:
    endpoint = Endpoint.parse(text)
    assert str(endpoint) == shown
    for secret in ("pass", "key"):
        assert secret not in repr(endpoint)


def test_credentials_path_and_query_are_used() -> None:
    endpoint = Endpoint.parse("https://aladdin:open%20sesame@rpc.example/v3/key?token=key")
    assert endpoint.path == "/v3/key?token=key"
    assert endpoint.authorization == "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617, section 2
    assert endpoint.secure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("ftp://user:secret@host/", "ftp:// is none of these"),
        ("http://user:secret@:8545", "no host"),
        ("http://user:secret@host:port", "not a number"),
        ("http://user:secret@[::1", "no host"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_repeating_a_secret(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Endpoint.parse(text)
    assert "secret" not in str(caught.value)


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
