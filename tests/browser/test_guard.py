"""Who asks wrongly is told so in a line: nothing is disclosed, and nothing gets slower."""

import http.client
import json
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.browser.box import TOKEN, Box, running_box
from tests.commands import finished, refusal

REQUESTS = 10_000


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box whose page is for those who have the token."""
    home = tmp_path_factory.mktemp("locked")
    token = home / "page.token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    lines = ['page-address = "127.0.0.1:0"', f'page-token-file = "{token}"',
             'page-hosts = ["status.example.org"]']  # fmt: skip
    with running_box(home, *lines, calls=1) as box:
        yield box


def asked(
    box: Box, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """The answer's status, headers and text."""
    place = urlsplit(box.url)
    with closing(http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)) as wire:
        wire.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            wire.putheader(name, value)
        wire.endheaders()
        answer = wire.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read().decode()


def is_a_line(text: str) -> bool:
    return len(text.splitlines()) == 1 and len(text) < 200


def secrets_of(box: Box) -> list[str]:
    """What nobody may learn who has no business here."""
    return [TOKEN, str(box.home), box.chain.deployment.scheduler, "Traceback", "uvicorn"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example", "[::1].evil",
             "localhost:99999999", "status.example.org", "a" * 5_000],
    ids=["another", "a suffix", "none", "a user", "an address", "a port", "not configured",
         "too long"],
)  # fmt: skip
def test_another_name_is_refused(box: Box, host: str) -> None:
    status, headers, text = asked(box, host=host)
    assert status == 421
    assert is_a_line(text)
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:9470"])
def test_names_of_this_machine_are_known(box: Box, host: str) -> None:
    assert asked(box, host=host)[0] == 200


def test_configured_names_are_known(locked: Box) -> None:
    status, _, _ = asked(locked, host="status.example.org", authorization=f"Bearer {TOKEN}")
    assert status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_it_takes_no_orders(box: Box, method: str) -> None:
    status, headers, text = asked(box, method=method)
    assert status == 405
    assert headers["allow"] == "GET, HEAD"
    assert is_a_line(text)


QUERIES = st.text(st.characters(codec="ascii", exclude_characters=" #\r\n"), min_size=1).filter(
    lambda text: text.isprintable()
)


@settings(max_examples=60)
@given(query=QUERIES)
def test_garbage_behind_a_question_mark_is_refused(box: Box, query: str) -> None:
    status, _, text = asked(box, f"/?{query}")
    assert status == 400
    assert is_a_line(text)
    assert query not in text or len(query) < 5


PATHS = st.text(st.characters(codec="ascii", exclude_characters=" #?\r\n"), min_size=1).filter(
    lambda text: text.isprintable() and text not in ("style.css", "refresh.js", "icon.svg")
)


@settings(max_examples=60)
@given(path=PATHS, below=st.sampled_from(["/x", "/intents/", "/../", "/intents/%00", "/%2e%2e/"]))
def test_garbage_for_a_path_is_not_found_and_nothing_is_disclosed(
    box: Box, path: str, below: str
) -> None:
    status, headers, text = asked(box, below + path)
    assert status == 404
    assert headers["content-type"].startswith("text/html")
    assert not any(secret in text for secret in secrets_of(box))
    assert "<script>" not in text


@pytest.mark.parametrize("path", ["/intents/" + "a" * 50_000, "/intents/alarm", "/intents/%",
                                  "/intents/'%20OR%201=1%20--", "/style.css/.."])  # fmt: skip
def test_what_is_no_key_is_not_found(box: Box, path: str) -> None:
    assert asked(box, path)[0] == 404


def test_what_contracts_and_nodes_say_is_shown_and_not_run(box: Box) -> None:
    """Escaped in the page, and no script but the page's own is allowed by its policy."""
    _, headers, text = asked(box)
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert text.count("<script") == 1
    assert " style=" not in text
    assert "server" not in headers


@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong"},
    {"authorization": f"Basic {TOKEN}"}, {"authorization": f"Bearer {TOKEN}x"},
    {"authorization": f"Bearer {TOKEN[:-1]}"}, {"cookie": "scheduler-page=wrong"},
    {"cookie": "=;;=\x7f"}, {"authorization": "Bearer " + "é" * 500}],
    ids=["nothing", "another", "as a password", "too long", "too short", "a cookie", "no cookie",
         "letters"])  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/style.css", "/intents/x", "/nothing", "/?token=wrong"])
def test_without_the_token_nothing_is_shown(locked: Box, given: dict[str, str], path: str) -> None:
    headers = {name: value.encode("utf-8").decode("latin-1") for name, value in given.items()}
    status, answered, text = asked(locked, path, **headers)
    assert status == 401
    assert is_a_line(text)
    assert "set-cookie" not in answered
    assert not any(secret in text for secret in secrets_of(locked))


def test_the_token_is_kept_by_the_browser_and_taken_out_of_its_address(locked: Box) -> None:
    status, headers, _ = asked(locked, f"/?token={TOKEN}")
    assert (status, headers["location"]) == (303, "/")
    kept = headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept
    cookie = kept.partition(";")[0]
    assert asked(locked, cookie=cookie)[0] == 200
    assert asked(locked, "/?x=1", cookie=cookie)[0] == 400
    # To this page and nowhere else.
    assert asked(locked, f"//evil.example/?token={TOKEN}")[1]["location"] == "/evil.example/"


def test_the_token_is_in_no_log(locked: Box) -> None:
    asked(locked, f"/?token={TOKEN}")
    asked(locked, f"/?x={TOKEN}")
    assert [line for line in locked.monitor.lines + locked.monitor.errors if TOKEN in line] == []


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00" * 4096,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 1000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
    ],
)
def test_what_is_no_request_is_answered_with_an_error_or_nothing(box: Box, junk: bytes) -> None:
    place = urlsplit(box.url)
    with socket.create_connection((str(place.hostname), place.port or 0), 10) as wire:
        answer = b""
        # A server that has heard enough may close with the rest unread, which is a reset here.
        with suppress(ConnectionResetError, BrokenPipeError):
            wire.sendall(junk)
            wire.shutdown(socket.SHUT_WR)
            while received := wire.recv(65_536):
                answer += received
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))
    assert asked(box)[0] == 200


@pytest.mark.timeout(600)
def test_ten_thousand_requests_in_a_row_make_nothing_slower(box: Box) -> None:
    """Good ones and bad ones, as fast as they are answered. Afterwards the page takes no longer
    than before, the monitor no more memory than a cache of pages, and it went on to look."""
    place = urlsplit(box.url)
    wire = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)

    def once(path: str, headers: dict[str, str]) -> tuple[int, float]:
        began = time.perf_counter()
        wire.request("GET", path, headers=headers)
        answer = wire.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - began

    def memory() -> int:
        text = Path(f"/proc/{box.monitor.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])

    def looked_at() -> float:
        return float(
            json.loads((box.home / "monitor/scheduler-monitor.json").read_text())["looped_at"]
        )

    kinds: list[tuple[str, dict[str, str], int]] = [
        ("/", {}, 200),
        ("/?garbage=%00%ff", {}, 400),
        ("/", {"Host": "evil.example"}, 421),
        ("/intents/nothing", {}, 404),
    ]
    before = [once("/", {})[1] for _ in range(200)]
    memory_before, looks_before = memory(), looked_at()
    for number in range(REQUESTS):
        path, headers, expected = kinds[number % len(kinds)]
        status, _ = once(f"{path}{number}" if path.startswith("/intents") else path, headers)
        assert status == expected
    after = [once("/", {})[1] for _ in range(200)]
    wire.close()
    # A machine that others are busy on is not this page's doing: the better half counts.
    assert statistics.median(after) < 3 * statistics.median(before) + 0.005
    assert memory() - memory_before < 16_384
    assert looked_at() > looks_before


def test_an_address_for_all_needs_a_token(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[monitor]\npage-address = "0.0.0.0:9470"\n')
    said = refusal(tmp_path, "scheduler", "config", "check", "--config", str(config))
    assert "page-address = 0.0.0.0:9470 can be reached by others" in said
    assert "set page-token-file" in said


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("short\n", 0o600, "a token is 16 letters or digits or more"),
     (f"{TOKEN}\n", 0o644, "can be read by others; run: chmod 600")],
)  # fmt: skip
def test_a_token_that_is_none_or_that_others_can_read_is_refused(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    token = tmp_path / "page.token"
    token.write_text(text)
    token.chmod(mode)
    config = tmp_path / "config.toml"
    config.write_text(
        f'journal = "{tmp_path / "journal.db"}"\n[monitor]\nmetrics-port = 0\n'
        f'page-address = "127.0.0.1:0"\npage-token-file = "{token}"\n'
    )
    command = ("scheduler", "run", "scheduler-monitor", "--config", str(config))
    done = finished(tmp_path, *command)
    assert done.returncode == 2
    assert words in done.stderr
    assert text.strip() not in done.stderr
