"""Endpoints that answer wrongly or not at all: told as what it is, and nothing is sent twice.

The servers here imitate what stands between a program and a node: load balancers, gateways of
public endpoints, and nodes that are going down.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import Request as Opening
from websockets.asyncio.server import Response, ServerConnection, serve

from scheduler.chain.connection import Connection, connect
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Request

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SECRET_URL = "://user:sesame@127.0.0.1:{port}/v3/sesame?key=sesame"


@asynccontextmanager
async def listening(handler: Handler, path: Path | None = None) -> AsyncIterator[int]:
    """A server on a port of loopback, which it yields, or on a socket at `path`."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            await handler(reader, writer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            writer.transport.abort()

    if path:
        server = await asyncio.start_unix_server(handle, path)
    else:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield 0 if path else server.sockets[0].getsockname()[1]
        server.close()
        await asyncio.wait_for(asyncio.gather(*handling), 60)


@asynccontextmanager
async def server(handler: Handler, scheme: str = "http") -> AsyncIterator[Connection]:
    """A connection to a TCP server on loopback, through a URL full of secrets."""
    async with listening(handler) as port:
        connection = connect(scheme + SECRET_URL.format(port=port), timeout=1)
        yield connection
        await connection.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Head and body of one HTTP request; empty where the client closed the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return "", b""
    length = next(
        int(line.split(":")[1])
        for line in head.splitlines()
        if line.lower().startswith("content-length")
    )
    return head, await reader.readexactly(length)


def response(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answering(*responses: bytes, requests: list[tuple[str, bytes]] | None = None) -> Handler:
    """An HTTP server that gives these responses, one for each request, then closes."""
    waiting = list(responses)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while waiting:
            request = await read_request(reader)
            if not request[0]:
                break
            if requests is not None:
                requests.append(request)
            writer.write(waiting.pop(0))
            await writer.drain()

    return handle


def error(code: int, message: str, id: int | None = 1) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}
    ).encode()


RESULT = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(
            response(503, b"<html>"), "it answered HTTP 503 Service Unavailable", id="503"
        ),
        pytest.param(
            response(502, error(-32603, "no backend")),
            "it answered HTTP 502 Bad Gateway",
            id="a gateway's own error",
        ),
        pytest.param(response(401, b""), "it answered HTTP 401 Unauthorized", id="401"),
        pytest.param(
            response(302, b"", "Location: https://evil.example/"),
            "it answered HTTP 302 Found",
            id="redirect",
        ),
        pytest.param(response(299, b""), "it answered HTTP 299", id="unknown status"),
        pytest.param(response(200, b"<html>"), "the answer is not JSON", id="HTML"),
        pytest.param(response(200, b'{"jsonrpc":"2.0","id":1,"resu'), "not JSON", id="half JSON"),
        pytest.param(response(200, b"\xff\xfe"), "the answer is not JSON", id="no UTF-8"),
        pytest.param(response(200, b"[]"), "not a JSON-RPC message", id="empty batch"),
        pytest.param(
            response(200, RESULT.replace(b'"id":1', b'"id":2')),
            "1 of 1 requests were left without an answer",
            id="somebody else's answer",
        ),
        pytest.param(
            response(200, b'{"jsonrpc":"2.0","id":1}'), "neither result nor error", id="no result"
        ),
        pytest.param(b"", "the connection broke off", id="closed"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "closed", id="closed half-way"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "illegal status line", id="no HTTP"),
    ],
)
async def test_http_endpoint_that_gives_no_answer(sent: bytes, said: str) -> None:
    async with server(answering(sent)) as connection:
        with pytest.raises(NodeUnavailable, match=said) as caught:
            await connection.request("eth_chainId")
        assert str(caught.value).startswith(f"{connection.endpoint}: ")
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 400, 403])
async def test_http_endpoint_that_explains_its_refusal(status: int) -> None:
    """rskj answers a batch that is too long with 400 and an error object."""
    refusal = response(status, error(-32600, "batch too long", id=None))
    # It is asked once more, with one request alone: that is refused in the same words.
    async with server(answering(refusal, refusal)) as connection:
        answers = await connection.batch([Request("eth_chainId"), Request("eth_blockNumber")])
    assert [str(answer) for answer in answers] == ["batch too long (code -32600)"] * 2
    assert all(isinstance(answer, RpcError) for answer in answers)


async def test_http_request_has_what_nodes_and_gateways_ask_for() -> None:
    requests: list[tuple[str, bytes]] = []
    async with server(answering(response(200, RESULT), requests=requests)) as connection:
        assert await connection.request("eth_chainId") == "0x1"
    ((head, body),) = requests
    assert head.startswith("POST /v3/sesame?key=sesame HTTP/1.1\r\n")
    for line in (
        f"Host: {connection.endpoint.removeprefix('http://')}",
        "Content-Type: application/json",
        "Authorization: Basic dXNlcjpzZXNhbWU=",
    ):
        assert f"\r\n{line}\r\n" in head
    assert json.loads(body) == {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


async def test_http_connection_is_kept_and_chunked_answers_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"".join(b"1\r\n%c\r\n" % byte for byte in RESULT) + b"0\r\n\r\n"
    second = response(200, RESULT.replace(b'"id":1', b'"id":2'))
    connections = 0
    answer = answering(chunked, second)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer)

    async with server(handle) as connection:
        assert [await connection.request("eth_chainId") for _ in range(2)] == ["0x1", "0x1"]
    assert connections == 1


@pytest.mark.parametrize(
    ("method", "answered"), [("eth_chainId", True), ("eth_sendRawTransaction", False)]
)
async def test_kept_http_connection_that_dies_under_a_request(method: str, answered: bool) -> None:
    """The server closes as the next request arrives: a read is repeated, a send never."""
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in range(2):
            head, body = await read_request(reader)
            if not head:
                break
            message = json.loads(body)
            seen.append(message["method"])
            if turn == 1:
                break
            writer.write(response(200, RESULT.replace(b'"id":1', b'"id":%d' % message["id"])))

    async with server(handle) as connection:
        await connection.request("eth_blockNumber")
        if answered:
            assert await connection.request(method) == "0x1"
        else:
            with pytest.raises(NodeUnavailable, match="broke off"):
                await connection.request(method)
    assert seen == ["eth_blockNumber", *[method] * (2 if answered else 1)]


async def test_http_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    """Also for a send: not a byte of it was written to the old connection."""
    closed = asyncio.Event()
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        message = json.loads(body)
        seen.append(message["method"])
        writer.write(response(200, RESULT.replace(b'"id":1', b'"id":%d' % message["id"])))
        closed.set()

    async with server(handle) as connection:
        await connection.request("eth_blockNumber")
        await closed.wait()
        assert await connection.request("eth_sendRawTransaction", "0x00") == "0x1"
    assert seen == ["eth_blockNumber", "eth_sendRawTransaction"]


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_endpoint_that_stays_silent(scheme: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(handle, scheme) as connection:
        with pytest.raises(NodeUnavailable, match="no answer within 1 s"):
            await connection.request("eth_chainId")


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
async def test_nothing_listens(scheme: str, unused_tcp_port: int) -> None:
    connection = connect(scheme + SECRET_URL.format(port=unused_tcp_port))
    with pytest.raises(NodeUnavailable) as caught:
        await connection.request("eth_chainId")
    assert str(caught.value) == f"{scheme}://127.0.0.1:{unused_tcp_port}: nothing listens there"


@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_plain_server_behind_a_secure_url(scheme: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(response(400, b"this is no TLS"))

    async with server(handle, scheme) as connection:
        with pytest.raises(NodeUnavailable, match=r"TLS failed|broke off") as caught:
            await connection.request("eth_chainId")
    assert "sesame" not in str(caught.value)


@asynccontextmanager
async def websocket(
    handler: Callable[[ServerConnection], Awaitable[None]],
    refuse_with: HTTPStatus | None = None,
) -> AsyncIterator[Connection]:
    def process(connection: ServerConnection, opening: Opening) -> Response | None:
        if refuse_with is None:
            return None
        answer = connection.respond(refuse_with, "")
        answer.headers["Location"] = "ws://evil.example/"
        return answer

    async with serve(handler, "127.0.0.1", 0, process_request=process) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        connection = connect("ws" + SECRET_URL.format(port=port), timeout=1)
        yield connection
        await connection.close()


@pytest.mark.parametrize(
    "status", [HTTPStatus.FOUND, HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE]
)
async def test_websocket_that_is_refused(status: HTTPStatus) -> None:
    async def handle(client: ServerConnection) -> None:
        raise AssertionError("never reached")

    async with websocket(handle, refuse_with=status) as connection:
        with pytest.raises(NodeUnavailable, match=rf"refuses a WebSocket \(HTTP {status}\)$"):
            await connection.request("eth_chainId")


async def test_websocket_gets_the_credentials_in_its_header() -> None:
    opened = []

    async def handle(client: ServerConnection) -> None:
        assert client.request is not None
        opened.append((client.request.path, client.request.headers["Authorization"]))
        await client.recv()
        await client.send(RESULT.decode())

    async with websocket(handle) as connection:
        await connection.request("eth_chainId")
    assert opened == [("/v3/sesame?key=sesame", "Basic dXNlcjpzZXNhbWU=")]


async def test_websocket_answers_in_another_order() -> None:
    async def handle(client: ServerConnection) -> None:
        asked = [json.loads(await client.recv()) for _ in range(3)]
        for message in reversed(asked):
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": message["method"]}
            await client.send(json.dumps(answer))

    async with websocket(handle) as connection:
        # A message for each.
        connection.batch_limit = 1
        methods = ["first", "second", "third"]
        assert await asyncio.gather(*map(connection.request, methods)) == methods


@pytest.mark.parametrize("gone", ["closed", "malformed"])
async def test_websocket_that_breaks_under_requests_tells_all_and_is_opened_anew(
    gone: str,
) -> None:
    seen: list[str] = []

    async def handle(client: ServerConnection) -> None:
        first = json.loads(await client.recv())
        seen.append(first["method"])
        if first["method"] == "eth_chainId":
            await client.send(json.dumps({"jsonrpc": "2.0", "id": first["id"], "result": "0x1"}))
            return
        seen.append(json.loads(await client.recv())["method"])
        if gone == "malformed":
            await client.send("{half")
            await client.wait_closed()

    async with websocket(handle) as connection:
        failures = await asyncio.gather(
            connection.request("eth_sendRawTransaction", "0x00"),
            connection.request("eth_sendRawTransaction", "0x01"),
            return_exceptions=True,
        )
        assert [type(failure) for failure in failures] == [NodeUnavailable] * 2
        assert await connection.request("eth_chainId") == "0x1"
    assert seen == ["eth_sendRawTransaction", "eth_sendRawTransaction", "eth_chainId"]


async def test_error_for_nobody_ends_what_is_under_way_rather_than_leaving_it_waiting() -> None:
    async def handle(client: ServerConnection) -> None:
        await client.recv()
        await client.recv()
        await client.send(error(-32700, "parse error", id=None).decode())
        await client.wait_closed()

    async with websocket(handle) as connection:
        connection.batch_limit = 1
        failures = await asyncio.gather(
            connection.request("first"), connection.request("second"), return_exceptions=True
        )
    for failure in failures:
        assert isinstance(failure, NodeUnavailable)
        assert "without saying which: parse error" in str(failure)


async def test_late_answers_are_not_taken_for_others() -> None:
    async def handle(client: ServerConnection) -> None:
        late = json.loads(await client.recv())
        second = json.loads(await client.recv())
        for message, result in ((late, "late"), (second, "mine")):
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            await client.send(json.dumps(answer))

    async with websocket(handle) as connection:
        given_up = asyncio.ensure_future(connection.request("first"))
        await asyncio.sleep(0)
        while connection._transport._session is None:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        given_up.cancel()
        assert await connection.request("second") == "mine"


@pytest.mark.parametrize("separator", [b"", b"\n"])
async def test_ipc_answers_with_and_without_newlines(tmp_path: Path, separator: bytes) -> None:
    """geth and anvil end each message with a newline; JSON-RPC does not ask for one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            id = json.loads(line)["id"]
            for piece in (b'{"jsonrpc":"2.0","id":%d,' % id, b'"result":"}{"}' + separator):
                writer.write(piece)
                await writer.drain()

    async with listening(handle, tmp_path / "node.ipc"):
        connection = connect(str(tmp_path / "node.ipc"), timeout=1, batch_limit=1)
        answers = await asyncio.gather(*(connection.request(f"m{n}") for n in range(20)))
        await connection.close()
    assert answers == ["}{"] * 20


async def test_ipc_socket_of_something_else(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async with listening(handle, tmp_path / "socket"):
        connection = connect(str(tmp_path / "socket"), timeout=1)
        with pytest.raises(NodeUnavailable, match="the node sent something that is not JSON"):
            await connection.request("eth_chainId")
        await connection.close()


async def test_ipc_path_that_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, said in (("file", "nothing listens there"), ("nothing", "there is no such socket")):
        with pytest.raises(NodeUnavailable, match=said):
            await connect(str(tmp_path / path)).request("eth_chainId")


async def test_a_send_of_many_goes_in_order_one_message_after_the_other(tmp_path: Path) -> None:
    """A node may handle messages in any order; nonces must not arrive so."""
    under_way = 0
    received: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        while line := await reader.readline():
            under_way += 1
            assert under_way == 1
            batch = json.loads(line)
            received.extend(message["params"][0] for message in batch)
            await asyncio.sleep(0.01)
            under_way -= 1
            answers = [{"jsonrpc": "2.0", "id": one["id"], "result": "0x"} for one in batch]
            writer.write(json.dumps(answers[::-1]).encode())

    async with listening(handle, tmp_path / "node.ipc"):
        connection = connect(str(tmp_path / "node.ipc"), timeout=1, batch_limit=4)
        raws = [f"0x{n:02x}" for n in range(10)]
        await connection.batch([Request("eth_sendRawTransaction", (raw,)) for raw in raws])
        await connection.close()
    assert received == raws
