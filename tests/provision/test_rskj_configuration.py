"""The configuration that rskj gets, read as it reads it, beside what is known of its keys.

rskj itself is in no registry of packages that the tests can use.
"""

import re
import subprocess
from pathlib import Path

import pytest

PROVISION = Path("provision").absolute()
# P2P ports of rskj's networks; HTTP 4444 and WebSocket 4445 are those of all (its reference.conf).
PEERS = {"rsk-mainnet": 5050, "rsk-testnet": 50505, "rsk-regtest": 50501}
KEY = "65" * 32
# Its modules: by default sco, debug and trace are off, and the others on.
NEEDED = {"eth", "net", "web3", "rpc", "txpool", "rsk"}
LEFT_OUT = {"personal", "evm", "sco", "debug", "trace"}


def generated(network: str, key: str = "") -> str:
    """What setup writes for this network."""
    script = """
        set -euo pipefail
        HERE=$0
        for file in lib networks sources choices steps/50-node; do source "$HERE/$file.sh"; done
        NETWORK=$1
        rskj_configuration "$2"
    """
    command = ["bash", "-c", script, str(PROVISION), network, key]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def settings(text: str) -> dict[str, str]:
    """Each value by its whole key, of the part of HOCON that is used here."""
    words = re.findall(r'"[^"]*"|\[[^]]*\]|[{}=,]|[^\s{}=,]+', re.sub(r"(?m)^#.*", "", text))
    found: dict[str, str] = {}
    path: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "}":
            path.pop()
        elif word != ",":
            at += 1
            if words[at] == "{":
                path.append(word)
            else:
                assert words[at] == "=", words[at - 1 : at + 2]
                at += 1
                found[".".join([*path, word])] = words[at].strip('"')
        at += 1
    assert path == []
    return found


@pytest.mark.parametrize("network", PEERS)
def test_everything_but_peers_is_on_loopback(network: str) -> None:
    found = settings(generated(network))
    modules = {name: found.pop(name) for name in list(found) if name.startswith("rpc.modules.")}
    assert found == {
        "database.dir": "/data/rsk/database",
        "peer.port": str(PEERS[network]),
        "rpc.providers.web.http.enabled": "true",
        "rpc.providers.web.http.bind_address": "127.0.0.1",
        "rpc.providers.web.http.hosts": '["localhost", "127.0.0.1"]',
        "rpc.providers.web.http.port": "4444",
        "rpc.providers.web.ws.enabled": "true",
        "rpc.providers.web.ws.bind_address": "127.0.0.1",
        "rpc.providers.web.ws.port": "4445",
    }
    on = {f"rpc.modules.{name}.enabled": "true" for name in NEEDED}
    off = {f"rpc.modules.{name}.enabled": "false" for name in LEFT_OUT}
    versions = {f"rpc.modules.{name}.version": "1.0" for name in NEEDED | LEFT_OUT}
    assert modules == on | off | versions


def test_the_wallet_is_on_only_where_it_holds_the_key() -> None:
    found = settings(generated("rsk-testnet", KEY))
    assert found["wallet.enabled"] == "true"
    assert found["wallet.accounts"] == f'[{{ privateKey = "{KEY}" }}]'
    assert "wallet" not in generated("rsk-testnet")
