"""A provider of nodes, as far as its limits go: a key in the URL, small batches, few blocks of logs
at a time, few requests a second, a node that lags; in front of a real node, over HTTP.

It imitates what cannot be had in a test. The words and codes are those of providers: 429 with
Retry-After (RFC 6585), errors for rates within a batch (Alchemy), -32600 for a batch (geth's own),
-32005 for too many blocks (Infura), and a refusal that repeats the path, and so the key.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]


class Provider:
    """How it behaves now, and what it was asked; all may be changed while it runs.

    `batch_limit` and `log_range` are the most it takes, None for all. `refusals` are messages yet
    to be answered with HTTP 429, `limited` requests in batches yet to be; `retry_after` is what it
    says with the former. `stands_at` is the block behind which it lags; None for none. While it
    `is_away` it answers 503. `key` is the path it wants.
    """

    def __init__(self, upstream: str, key: str = "") -> None:
        self._upstream = upstream
        self.key = key
        self.batch_limit: int | None = None
        self.log_range: int | None = None
        self.refusals = 0
        self.limited = 0
        self.retry_after: str | None = None
        self.stands_at: int | None = None
        self.is_away = False
        self.refuses: set[str] = set()
        self.url = ""
        self.asked: list[list[str]] = []
        self.at: list[float] = []

    def sizes(self) -> list[int]:
        """Of the messages so far, how many requests were in each."""
        return [len(methods) for methods in self.asked]

    def answer(self, path: str, message: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        batch = message if isinstance(message, list) else [message]
        self.asked.append([request["method"] for request in batch])
        self.at.append(time.monotonic())
        if self.is_away:
            return 503, {}, "upstream is down"
        if path.strip("/") != self.key:
            return 401, {}, _error(None, -32000, f"no project for {path}")
        if self.refusals > 0:
            self.refusals -= 1
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return 429, headers, _error(None, 429, "slow down")
        if isinstance(message, list) and self.batch_limit and len(batch) > self.batch_limit:
            return 200, {}, _error(None, -32600, "batch too large")
        answers = [self._one(path, request) for request in batch]
        return 200, {}, answers if isinstance(message, list) else answers[0]

    def _one(self, path: str, request: Message) -> Message:
        method, params = request["method"], request.get("params", [])
        if method in self.refuses:
            return _error(request["id"], -32000, f"{method} is not for {path}")
        if self.limited > 0:
            self.limited -= 1
            words = "Your app has exceeded its compute units per second capacity"
            return _error(request["id"], 429, words)
        if method == "eth_getLogs" and "fromBlock" in params[0] and self.log_range:
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            if last - first + 1 > self.log_range:
                return _error(request["id"], -32005, f"at most {self.log_range} blocks")
        if self.stands_at is not None:
            request = self._as_of(request, self.stands_at)
        posted = urllib.request.Request(
            self._upstream, json.dumps(request).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(posted, timeout=10) as response:
            answer: Message = json.load(response)
        if self.stands_at is not None and _block_of(answer.get("result")) > self.stands_at:
            answer["result"] = None
        return answer

    def _as_of(self, request: Message, block: int) -> Message:
        """The request as a node asks it of itself that has no later block."""
        params = [
            hex(block) if each in ("latest", "pending") else each
            for each in request.get("params", [])
        ]
        return {**request, "params": params}


def _block_of(result: Any) -> int:
    """The number of the block that an answer is, or is in."""
    if not isinstance(result, dict):
        return -1
    number = result.get("blockNumber") or result.get("number")
    return -1 if number is None else int(number, 16)


def _error(id_: int | None, code: int, message: str) -> Message:
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}


@contextmanager
def provider(upstream: str, key: str = "") -> Iterator[Provider]:
    """One in front of the node at this HTTP endpoint, at its `url`."""
    found = Provider(upstream, key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, answer = found.answer(self.path, json.loads(body))
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/{key}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
