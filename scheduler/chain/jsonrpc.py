"""JSON-RPC 2.0 messages: writing requests, cutting a byte stream into values, reading answers."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from scheduler.chain.errors import BatchRefused, RpcError

Json: TypeAlias = Any
Answer: TypeAlias = Json | RpcError


class Request(NamedTuple):
    """A method to be called, with its positional parameters."""

    method: str
    params: Sequence[Json] = ()


class Unintelligible(ValueError):
    """Bytes that are no JSON, or JSON that is no answer to what was asked."""


def encode(requests: Mapping[int, Request]) -> bytes:
    """The request under its id; several as a batch, in the order of the mapping."""
    messages = [
        {"jsonrpc": "2.0", "id": id, "method": request.method, "params": list(request.params)}
        for id, request in requests.items()
    ]
    return json.dumps(
        messages[0] if len(messages) == 1 else messages, separators=(",", ":")
    ).encode()


def decode(text: bytes | bytearray | str) -> Json:
    """The JSON value in `text`. Raises Unintelligible."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unintelligible("the answer is not JSON") from error


def messages(value: Json) -> list[dict[str, Json]]:
    """The messages of a JSON value: itself, or the elements of a batch. Raises Unintelligible."""
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(message, dict) for message in found):
        raise Unintelligible("the answer is not a JSON-RPC message")
    return found


def result(message: Mapping[str, Json]) -> Answer:
    """What one answer says: its result (which may be None), or its error as a value.

    Raises Unintelligible where it has neither.
    """
    error = message.get("error")
    if isinstance(error, dict):
        code, text = error.get("code"), error.get("message")
        return RpcError(code if isinstance(code, int) else 0, str(text), error.get("data"))
    if error is not None:
        return RpcError(0, str(error))
    if "result" not in message:
        raise Unintelligible("the answer has neither result nor error")
    return message["result"]


def results(value: Json, ids: Sequence[int]) -> list[Answer]:
    """The answers to the requests `ids`, in that order, from what the node sent back.

    A node that refuses a batch as a whole answers one error without an id (JSON-RPC 2.0, section
    6) or, as geth 1.16 does, under the first request's: then this error is everybody's answer, and
    of a batch it is a BatchRefused.
    Raises Unintelligible where an answer is missing.
    """
    found = messages(value)
    if len(found) == 1 and (len(ids) > 1 or found[0].get("id") is None):
        refusal = result(found[0])
        if isinstance(refusal, RpcError):
            if len(ids) > 1:
                refusal = BatchRefused(refusal.code, refusal.message, refusal.data)
            return [refusal] * len(ids)
    by_id = {message["id"]: message for message in found if isinstance(message.get("id"), int)}
    missing = [id for id in ids if id not in by_id]
    if missing:
        raise Unintelligible(f"{len(missing)} of {len(ids)} requests were left without an answer")
    return [result(by_id[id]) for id in ids]


class Splitter:
    """Cuts a stream of bytes into JSON objects and arrays, whatever stands between them.

    Nodes end a message on an IPC socket with a newline, or with nothing. Every byte is scanned
    once, so an answer of tens of megabytes in small pieces costs little more than in one.
    """

    _REST_OF_STRING = rb'[^"\\]*(?:\\.[^"\\]*)*'
    _TOKEN = re.compile(rb'"' + _REST_OF_STRING + rb'"|["{}\[\]]', re.DOTALL)
    _IN_STRING = re.compile(_REST_OF_STRING, re.DOTALL)

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[Json]:
        """The values that `data` completes. Raises Unintelligible; the stream is lost then."""
        if not self._buffer and data.lstrip().startswith((b"{", b"[")):
            # Most pieces are one message: then the parser alone sees every byte, at its speed.
            with suppress(Unintelligible):
                return [decode(data)]
        self._buffer += data
        values = []
        start = 0
        for end in self._ends():
            values.append(decode(self._buffer[start:end]))
            start = end
        if start:
            del self._buffer[:start]
            self._scanned -= start
        if self._depth == 0 and self._buffer.strip():
            raise Unintelligible("the node sent something that is not JSON")
        return values

    def _ends(self) -> Iterator[int]:
        """Where top-level values end in what has not been scanned yet."""
        if self._in_string and not self._leave_string():
            return
        for token in self._TOKEN.finditer(self._buffer, self._scanned):
            mark = token[0]
            if mark == b'"':
                self._in_string = True
                self._scanned = token.end()
                self._leave_string()
                return
            if mark in (b"{", b"["):
                self._depth += 1
            elif mark in (b"}", b"]"):
                self._depth -= 1
                if self._depth <= 0:
                    yield token.end()
        self._scanned = len(self._buffer)

    def _leave_string(self) -> bool:
        """Moves past the string that an earlier piece began, or to the end of what there is."""
        part = self._IN_STRING.match(self._buffer, self._scanned)
        self._scanned = part.end() if part else self._scanned
        self._in_string = self._buffer[self._scanned : self._scanned + 1] != b'"'
        self._scanned += not self._in_string
        return not self._in_string
