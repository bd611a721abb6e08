"""A box as the page shows it: a chain, the scheduler and the monitor, all real, with work done."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.scheduling import ScheduledCall
from tests.commands import Running, alarm_chain, schedule_on, walk_to

TOKEN = "b0a7f1e2c3d4958677869504"


@dataclass(frozen=True, slots=True)
class Box:
    """What a browser can be pointed at, and what it should show."""

    chain: DevelopmentChain
    home: Path
    url: str
    monitor: Running
    executed: list[ScheduledCall]
    waiting: list[ScheduledCall]


@contextmanager
def running_box(home: Path, *settings: str, calls: int = 4) -> Iterator[Box]:
    """So many calls were executed, as many are waited for; `settings` go into [monitor]."""
    with alarm_chain() as chain:
        config = home / "config.toml"
        lines = [
            f'rpc-url = "{chain.node.ws}"',
            f'journal = "{home / "journal.db"}"',
            "[alarm]",
            f'addresses = ["{chain.deployment.scheduler}"]',
            "[monitor]",
            "metrics-port = 0",
            f'supervisor = "{home / "none.sock"}"',
            *(settings or ['page-address = "127.0.0.1:0"']),
        ]
        config.write_text("\n".join([*lines, ""]))
        config.chmod(0o600)
        named = ("--config", str(config))
        executed = [schedule_on(chain, ahead=14 + 3 * number) for number in range(calls)]
        with (
            Running(home, "scheduler", "run", "scheduler", *named) as scheduler,
            Running(home, "scheduler", "run", "scheduler-monitor", *named) as monitor,
        ):
            scheduler.saw("Heartbeat")
            url = re.search(r"the status page: (\S+)", monitor.saw("the status page"))
            assert url is not None
            walk_to(chain, executed[-1].target_block + 1, home, "scheduler")
            scheduler.saw("Outcome: succeeded", times=calls)
            waiting = [schedule_on(chain, ahead=16 + 9 * number) for number in range(calls)]
            head = chain.endpoint.number("eth_blockNumber")
            walk_to(chain, head + 1, home, "scheduler")
            yield Box(chain, home, url[1], monitor, executed, waiting)
