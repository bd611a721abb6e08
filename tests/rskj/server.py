"""The stand-in's two ports: HTTP, and a WebSocket at /websocket."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from scheduler.chain.errors import RpcError
from scheduler.devchain.nodes import Node
from tests.rskj.methods import INVALID_PARAMS, METHOD_NOT_FOUND, Methods

# rpc.providers.web.max_batch_requests_size of reference.conf.
LARGEST_BATCH = 50
INVALID_REQUEST, PARSE_ERROR = -32600, -32700

# Web3HttpStatusCodeProvider: only these are a matter of HTTP.
BAD_REQUESTS = (INVALID_REQUEST, INVALID_PARAMS, PARSE_ERROR)

MINIMUM_GAS_PRICE = 60_000_000  # wei; of mainnet's order


@dataclass(frozen=True)
class StandIn:
    """A running stand-in: where it answers, and the anvil behind it, through which tests mine."""

    http: str
    ws: str
    methods: Methods
    anvil: Node
    kind: str = "rskj"


@contextmanager
def in_front_of(anvil: Node, minimum_gas_price: int = MINIMUM_GAS_PRICE) -> Iterator[StandIn]:
    """A stand-in whose chain, keys and pool are those of `anvil`.

    Anvil is to run in Istanbul rules with a gas limit of 6,800,000, as `nodes.rskj` starts it.
    """
    methods = Methods(anvil.http, minimum_gas_price)
    with ExitStack() as stack:
        stack.callback(methods.close)
        http = _Http(methods)
        stack.callback(http.server_close)
        stack.enter_context(_running(http.serve_forever, http.shutdown))
        socket = _WebSocket(methods, anvil.ws)
        web = stack.enter_context(
            serve(socket.serve, "127.0.0.1", 0, process_request=socket.admit, compression=None)
        )
        stack.enter_context(_running(web.serve_forever, web.shutdown))
        port = web.socket.getsockname()[1]
        yield StandIn(
            http=f"http://127.0.0.1:{http.server_address[1]}",
            ws=f"ws://127.0.0.1:{port}/websocket",
            methods=methods,
            anvil=anvil,
        )


@contextmanager
def _running(serve_forever: Any, shutdown: Any) -> Iterator[None]:
    thread = Thread(target=serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        shutdown()
        thread.join()


def _error(code: int, message: str, data: object = None) -> dict[str, Any]:
    return {"code": code, "message": message, **({} if data is None else {"data": data})}


def respond(methods: Methods, text: "str | bytes") -> tuple[int, Any]:
    """The code that HTTP's status follows from, and the answer (JsonRpcWeb3ServerHandler)."""
    try:
        message = json.loads(text)
    except ValueError:
        return PARSE_ERROR, {"error": _error(PARSE_ERROR, "JSON parse error")}
    if isinstance(message, list):
        if len(message) > LARGEST_BATCH:
            words = (
                f"Cannot dispatch batch requests. {LARGEST_BATCH} is the max number of supported "
                "batch requests"
            )
            return INVALID_REQUEST, {"error": _error(INVALID_REQUEST, words)}
        return 0, [_one(methods, request) for request in message]
    answer = _one(methods, message)
    return answer.get("error", {}).get("code", 0), answer


def _one(methods: Methods, request: dict[str, Any]) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": request["id"]}
    try:
        return {**head, "result": methods.answer(request["method"], request.get("params", []))}
    except RpcError as error:
        return {**head, "error": _error(error.code, error.message, error.data)}


class _Http(ThreadingHTTPServer):
    """Answers POST."""

    daemon_threads = True

    def __init__(self, methods: Methods) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave in one piece; with two, Nagle's algorithm waits 40 ms.
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code, answer = respond(methods, body)
                content = json.dumps(answer).encode()
                self.send_response(400 if code in BAD_REQUESTS else 200)
                self.send_header("Content-Type", "application/json-rpc")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


class _WebSocket:
    """Answers each message; newHeads are those of the anvil, cut down to what rskj reports."""

    def __init__(self, methods: Methods, anvil: str) -> None:
        self._methods = methods
        self._anvil = anvil

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Nowhere but at /websocket."""
        return None if request.path == "/websocket" else connection.respond(404, "not found")

    def serve(self, client: ServerConnection) -> None:
        with ExitStack() as subscriptions, suppress(ConnectionClosed):
            for text in client:
                message = json.loads(text)
                if isinstance(message, dict) and message.get("method") == "eth_subscribe":
                    client.send(json.dumps(self._subscribed(client, message, subscriptions)))
                else:
                    client.send(json.dumps(respond(self._methods, text)[1]))

    def _subscribed(
        self, client: ServerConnection, request: dict[str, Any], subscriptions: ExitStack
    ) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": request["id"]}
        if request["params"] != ["newHeads"]:
            return {**head, "error": _error(METHOD_NOT_FOUND, "method not found")}
        node = subscriptions.enter_context(connect(self._anvil, compression=None))
        node.send(json.dumps({**request, "jsonrpc": "2.0"}))
        subscription = json.loads(node.recv())["result"]

        def pump() -> None:
            with suppress(ConnectionClosed):
                for text in node:
                    told = json.loads(text)
                    told["params"]["result"] = self._methods.head(told["params"]["result"])
                    client.send(json.dumps(told))

        subscriptions.enter_context(_running(pump, node.close))
        return {**head, "result": subscription}
