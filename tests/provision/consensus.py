#!/usr/bin/env python3
"""Stands in for Lighthouse: takes its arguments, and has geth make a block every second.

It plays the whole consensus layer over the Engine API, with the JWT that setup made: no peers, no
votes, every block proposed and accepted at once. Each block may pay withdrawals to the addresses
in DATADIR/withdrawals (one a line), 10 ether each, once; until that file is there, it makes none,
and geth is at its genesis. It needs the standard library alone, since it runs on the box.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ZERO_HASH = "0x" + "00" * 32
TEN_ETHER = hex(10 * 10**9)  # withdrawals are in gwei (EIP-4895)


def option(name: str) -> str:
    """The value of one of Lighthouse's options."""
    return sys.argv[sys.argv.index(name) + 1]


class Engine:
    """geth's Engine API."""

    def __init__(self, url: str, secret: bytes) -> None:
        self._url, self._secret = url, secret

    def ask(self, method: str, *params: object) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token()}"}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _token(self) -> str:
        claims = {"iat": int(time.time())}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
        signature = hmac.new(self._secret, ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _base64(signature)])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_block(engine: Engine, payments: list[dict[str, str]]) -> None:
    """One block on top of the head."""
    head = engine.ask("eth_getBlockByNumber", "latest", False)
    state = dict.fromkeys(("headBlockHash", "safeBlockHash", "finalizedBlockHash"), head["hash"])
    attributes = {
        "timestamp": hex(max(int(time.time()), int(head["timestamp"], 16) + 1)),
        "prevRandao": ZERO_HASH,
        "suggestedFeeRecipient": "0x" + "00" * 20,
        "withdrawals": payments,
        "parentBeaconBlockRoot": ZERO_HASH,
    }
    started = engine.ask("engine_forkchoiceUpdatedV3", state, attributes)
    # The transactions of the pool come into a payload a moment after it was begun.
    time.sleep(0.3)
    built = engine.ask("engine_getPayloadV5", started["payloadId"])
    payload, requests = built["executionPayload"], built.get("executionRequests", [])
    status = engine.ask("engine_newPayloadV4", payload, [], ZERO_HASH, requests)
    if status["status"] != "VALID":
        raise RuntimeError(f"the block is {status}")
    made = dict.fromkeys(state, payload["blockHash"])
    engine.ask("engine_forkchoiceUpdatedV3", made, None)


def main() -> None:
    secret = bytes.fromhex(Path(option("--execution-jwt")).read_text().strip())
    engine = Engine(option("--execution-endpoint"), secret)
    wanted = Path(option("--datadir"), "withdrawals")
    paid: list[str] = []
    while not wanted.exists():
        time.sleep(0.1)
    while True:
        began = time.monotonic()
        addresses = wanted.read_text().split()
        new = [address for address in addresses if address not in paid]
        payments = [
            {"index": hex(i), "validatorIndex": hex(i), "address": address, "amount": TEN_ETHER}
            for i, address in enumerate(new, len(paid))
        ]
        try:
            make_block(engine, payments)
            paid += new
        except (OSError, RuntimeError) as error:
            print(error, file=sys.stderr, flush=True)
        time.sleep(max(0.0, began + 1 - time.monotonic()))


if __name__ == "__main__":
    main()
