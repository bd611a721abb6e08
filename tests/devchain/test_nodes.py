"""The nodes that tests run against answer on every transport and end with whoever started them."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.devchain.nodes import Node, PortInUse, start_anvil
from tests import nodes
from tests.waiting import ended


def test_anvil_answers_over_http_and_has_a_socket(anvil: Node) -> None:
    assert anvil.rpc("eth_chainId") == hex(1337)
    assert anvil.ipc.is_socket()


def test_geth_answers_over_http_and_has_a_socket(geth: Node) -> None:
    assert geth.rpc("eth_chainId") == hex(1337)
    assert geth.ipc.is_socket()
    assert len(geth.rpc("eth_accounts")) == 1


def test_anvil_takes_the_rules_it_is_given() -> None:
    with nodes.anvil(hardfork="istanbul", gas_limit=6_800_000, chain_id=33, automine=False) as node:
        block = node.rpc("eth_getBlockByNumber", "latest", False)
        assert isinstance(block, dict)
        assert int(block["gasLimit"], 16) == 6_800_000
        assert "baseFeePerGas" not in block or block["baseFeePerGas"] is None
        assert node.rpc("eth_chainId") == hex(33)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port}: .* in use"):
            start_anvil(tmp_path, port=port)


STARTS_A_NODE_AND_WAITS = """
import sys
from pathlib import Path
from scheduler.devchain.nodes import start_anvil
node = start_anvil(Path(sys.argv[1]))
print(node.process.pid, flush=True)
sys.stdin.read()
"""


def test_a_node_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_NODE_AND_WAITS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert ended(pid)


def test_a_directory_too_deep_for_a_socket_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    node = start_anvil(deep)
    try:
        assert node.ipc.is_socket()
    finally:
        node.stop()
    assert not node.ipc.parent.exists()
