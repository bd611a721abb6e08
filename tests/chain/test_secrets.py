"""A key in a node's URL is in no message, wherever it is in it and whatever the node repeats."""

import asyncio
import base64
import json
import string
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from scheduler.chain.connection import connect
from scheduler.chain.endpoint import Endpoint, secrets_in, shown, without
from scheduler.chain.errors import NodeUnavailable, RpcError
from tests import nodes
from tests.chain.provider import provider
from tests.commands import Running, finished, free_port

# As providers make them: not a word, and longer than a version.
keys = st.text(string.ascii_letters + string.digits + "_-~!", min_size=8, max_size=40).filter(
    lambda text: any(each.isdigit() or each.isupper() for each in text)
)


@dataclass(frozen=True)
class Planted:
    """A URL without scheme and host, and the keys in it as they are meant."""

    user: str
    password: str
    path: str
    query: str

    @property
    def keys(self) -> list[str]:
        credentials = (self.user, self.password) if self.user else ()
        return [each for each in (*credentials, self.path, self.query) if each]

    def url(self, scheme: str, host: str) -> str:
        credentials = f"{quote(self.user)}:{quote(self.password)}@" if self.user else ""
        query = f"?network=eth&apikey={quote(self.query)}" if self.query else ""
        return f"{scheme}://{credentials}{host}/v3/{quote(self.path)}/rpc{query}"


planted = st.builds(Planted, *[keys | st.just("")] * 4)


@given(planted, st.sampled_from(["http", "https", "ws", "wss"]))
def test_what_a_node_is_called_has_no_key_in_it(plant: Planted, scheme: str) -> None:
    url = plant.url(scheme, "node.example:1234")
    endpoint = Endpoint.parse(url)
    for said in (str(endpoint), repr(endpoint), shown(url)):
        assert [key for key in plant.keys if key in said or quote(key) in said] == []
    assert str(endpoint) == f"{scheme}://node.example:1234"
    header = base64.b64encode(f"{plant.user}:{plant.password}".encode()).decode()
    repeated = f"no project {endpoint.path}, Authorization: Basic {header}, {plant.keys}"
    left = without(secrets_in(url), repeated)
    assert [key for key in plant.keys if key in left or quote(key) in left] == []
    assert not plant.user or header not in left


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8545",
        "ws://127.0.0.1:4445/websocket",
        "https://node.example/ext/bc/C/rpc",
        "https://node.example/v3/eth-mainnet?network=sepolia",
        "/data/ethereum/geth.ipc",
    ],
)
def test_what_has_no_key_is_shown_as_it_is(url: str) -> None:
    assert shown(url) == url


class Echo(BaseHTTPRequestHandler):
    """Repeats all that it was asked with: in an error, in a result that is none, or in HTML."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = f"{self.path} {self.headers.get('Authorization')}"
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        if body["method"] == "refused":
            answer["error"] = {"code": -32000, "message": said, "data": said}
        else:
            answer["result"] = said
        content = json.dumps(answer).encode() if body["method"] != "page" else said.encode()
        self.send_response(403 if body["method"] == "page" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


async def failures(url: str) -> list[str]:
    """What is said of all ways in which asking can fail."""
    connection = connect(url, timeout=5)
    said = []
    for method in ("refused", "page", "number"):
        try:
            answer = await connection.request(method)
            connection.understand(lambda found: int(found, 0), answer)
        except (NodeUnavailable, RpcError) as error:
            said += [str(error), repr(error), str(getattr(error, "data", ""))]
    await connection.close()
    return said


@given(plant=planted)
@settings(max_examples=40)
def test_what_a_node_repeats_of_its_url_is_in_no_error(echo: int, plant: Planted) -> None:
    nobody = free_port()
    for host, scheme in ((f"127.0.0.1:{echo}", "http"), (f"127.0.0.1:{nobody}", "ws")):
        said = asyncio.run(failures(plant.url(scheme, host)))
        assert len(said) == 9
        for text in said:
            assert [key for key in plant.keys if key in text or quote(key) in text] == []


@pytest.mark.parametrize("id_", ["its own", None])
async def test_what_a_websocket_repeats_is_in_no_error_either(id_: str | None) -> None:
    """An error for nobody ends the connection, with the node's words."""
    plant = Planted("operator7", "p4ssw0rd!", "0123abcd", "AbCdEfGh")

    async def repeat(client: ServerConnection) -> None:
        asked = json.loads(await client.recv())
        assert client.request is not None
        said = f"{client.request.path} {client.request.headers['Authorization']}"
        answer = {"jsonrpc": "2.0", "id": asked["id"] if id_ else None}
        await client.send(json.dumps({**answer, "error": {"code": -32000, "message": said}}))
        await client.wait_closed()

    async with serve(repeat, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        connection = connect(plant.url("ws", f"127.0.0.1:{port}"), timeout=5)
        for asking in (connection.subscribe("newHeads"), connection.request("eth_chainId")):
            with pytest.raises((RpcError, NodeUnavailable), match="v3/…/rpc") as caught:
                await asking
            assert [key for key in plant.keys if key in str(caught.value)] == []
            await connection.close()


SECRET = Planted("operator7", "p4ssw0rd!", "0123abcd", "AbCdEfGh")

COMMANDS = [
    ("config", "show"),
    ("config", "show", "rpc-url"),
    ("account", "show"),
    ("jobs", "list"),
    ("jobs", "check"),
    ("config", "check"),
]


def test_no_command_and_no_program_shows_a_key_of_any_node(tmp_path: Path) -> None:
    """Not in their lines, not in the journal, and not in the process list."""
    with nodes.anvil(block_time=1) as anvil, provider(anvil.http, "v3/0123abcd/rpc") as main:
        main.refuses = {"eth_getCode"}
        hosts = [main.url.removeprefix("http://").partition("/")[0], f"127.0.0.1:{free_port()}"]
        urls = [SECRET.url("http", host) for host in hosts]
        main.key += f"?{urls[0].partition('?')[2]}"
        job = '[[jobs]]\nname = "work"\ncontract = "0x' + "12" * 20 + '"\ncall = "work()"\n'
        job += 'when = "workable()"\ngas-limit = 100000\n'
        config = tmp_path / "config.toml"
        config.write_text(f"rpc-url = {json.dumps(urls)}\n{job}")
        config.chmod(0o600)
        said = []
        for words in COMMANDS:
            done = finished(tmp_path, "scheduler", *words, "--config", str(config))
            said += [done.stdout, done.stderr]
        command = ("scheduler", "run", "scheduler", "--config", str(config))
        with Running(tmp_path, *command, LOG_LEVEL="DEBUG") as program:
            program.saw(f"Node http://{hosts[1]} is left out: .*nothing listens there")
            program.saw("eth_getCode is not for /v3/…")
            for name in ("cmdline", "environ"):
                said.append(Path(f"/proc/{program.pid}/{name}").read_bytes().decode())
            assert program.stop() == 0
        said += [*program.lines, *program.errors]
    said += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*.db*")]
    said += [path.read_text() for path in tmp_path.rglob("*.json")]
    assert f"http://{hosts[0]}/…" in said[0]
    for text in said:
        assert [key for key in SECRET.keys if key in text or quote(key) in text] == []


def test_a_key_of_a_node_in_the_environment_is_taken_out_of_it(tmp_path: Path) -> None:
    urls = " ".join(SECRET.url("http", f"127.0.0.1:{free_port()}") for _ in range(2))
    command = ("scheduler", "run", "scheduler")
    with Running(tmp_path, *command, SCHEDULER_RPC_URL=urls) as program:
        program.saw("Waiting for the node: .*nothing listens there")
        environment = Path(f"/proc/{program.pid}/environ").read_bytes().decode()
        assert program.stop() == 0
    said = [environment, *program.lines, *program.errors]
    assert [key for key in SECRET.keys if key in str(said) or quote(key) in str(said)] == []
