"""A development chain on geth that is kept from one start to the next, as on a box."""

import signal
import subprocess
import time
from pathlib import Path

from scheduler.devchain.accounts import Role, address_of
from scheduler.devchain.chain import chain_on_geth
from scheduler.devchain.deployment import Deployment
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.toolchain import geth_path
from tests.devchain.test_commands import DEV, running_chain, schedule


def test_a_kept_chain_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    options = ("--node", "geth", "--node-binary", str(geth_path()), "--keep")
    with running_chain(tmp_path, *options) as process:
        first = Deployment.read(tmp_path)
        assert first is not None
        assert schedule(tmp_path, "--in", "20").returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with running_chain(tmp_path, *options):
        second = Deployment.read(tmp_path)
        assert second is not None
        assert second.first_block_hash == first.first_block_hash
        assert second.scheduler == first.scheduler
        endpoint = Endpoint(second.endpoint)
        assert endpoint.number("eth_getTransactionCount", address_of(Role.CUSTOMER), "latest") == 1
        endpoint.close()


def test_a_killed_geth_lacks_a_few_blocks_and_has_its_deployment(tmp_path: Path) -> None:
    with chain_on_geth(tmp_path, keep=True) as chain:
        first = chain.deployment
        deployed = chain.endpoint.number("eth_blockNumber")
        deadline = time.monotonic() + 90
        while (head := chain.endpoint.number("eth_blockNumber")) < deployed + 12:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        chain.node.process.kill()
        chain.node.process.wait()
    with chain_on_geth(tmp_path, keep=True, former=first) as chain:
        assert chain.deployment.first_block_hash == first.first_block_hash
        assert deployed <= chain.endpoint.number("eth_blockNumber") <= head + 1


def test_what_is_for_geth_alone_is_refused_for_anvil(tmp_path: Path) -> None:
    command = [*DEV, "--keep", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--keep and --node-binary are for --node geth" in done.stderr
