"""JSON-RPC over HTTP with a node on this machine: one request at a time, on one connection."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from scheduler.chain.errors import NodeUnavailable, RpcError


class Endpoint:
    """A node's HTTP endpoint, such as http://127.0.0.1:8545; `timeout` in seconds."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{parts.scheme}://{parts.hostname} is not an http endpoint")
        self.url = url
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port or 80, timeout=timeout
        )

    def request(self, method: str, *params: object) -> Any:
        """The result of a request. Raises NodeUnavailable, RpcError."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.load(self._connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise NodeUnavailable(f"no answer from {self.url}: {error}") from error
        if "error" in answer:
            failure = answer["error"]
            raise RpcError(failure["code"], failure["message"], failure.get("data"))
        return answer["result"]

    def number(self, method: str, *params: object) -> int:
        """The result of a request that answers a hexadecimal quantity."""
        return int(self.request(method, *params), 16)

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        self._connection.close()
