"""A change of account waits until nothing of the old one is on its way."""

from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from tests.commands import alarm_chain, eth_alarm, schedule_on, walk_to

OLD, NEW = (PrivateKey(bytes([number]) * 32) for number in (0x5C, 0x5D))


def signed_by(key: PrivateKey) -> dict[str, str]:
    return {"SCHEDULER_SIGNER": "environment", "ACCOUNT_PK_SECRET": key.to_bytes().hex()}


@pytest.mark.timeout(600)
def test_another_account_begins_when_the_slots_of_the_old_one_are_consumed(tmp_path: Path) -> None:
    old, new = (key.public_key.to_address() for key in (OLD, NEW))
    with alarm_chain() as chain:
        for address in (old, new):
            chain.endpoint.request("anvil_setBalance", address, hex(10**18))
        call = schedule_on(chain, ahead=14)
        with eth_alarm(chain, tmp_path, **signed_by(OLD)) as program:
            program.saw("Tracking call")
            walk_to(chain, call.target_block - 2, tmp_path)
            chain.endpoint.request("evm_setAutomine", False)
            chain.endpoint.request("anvil_mine")
            program.saw("Transaction accepted")
            assert program.stop() == 0

        with eth_alarm(chain, tmp_path, **signed_by(NEW)) as program:
            assert program.ended() == 2
        assert program.errors == [
            f"eth_alarm: what {old} sent for {chain.deployment.scheduler} is not final yet (open "
            f'slots: 1), and the account is {new} now; set account = "{old}" again until it is, '
            "see: scheduler journal list --state in_slot"
        ]

        with (
            eth_alarm(chain, tmp_path, **signed_by(NEW), SUPERVISOR_ENABLED="1") as waiting,
        ):
            waiting.saw(f"Waiting: what {old} sent for")
            # Whoever has the old account looks after what is its own, and does not wait.
            with eth_alarm(chain, tmp_path, **signed_by(OLD)) as program:
                program.saw("Heartbeat")
                chain.endpoint.request("evm_setAutomine", True)
                head = chain.endpoint.number("eth_blockNumber")
                walk_to(chain, head + 4, tmp_path)
                program.saw("Outcome: succeeded")
                assert program.stop() == 0
            waiting.saw("Everything needed is there now")
            assert waiting.stop() == 0
