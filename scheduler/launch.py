"""From a command to a running program: a new interpreter that carries no command's libraries.

The command line and the configuration take 4 MiB of libraries that a program of months does not
need. The process stays the same, so a supervisor sees nothing of it.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from scheduler.errors import Misconfigured, NotYet, exit_status
from scheduler.lean import leave_out_pydantic

if TYPE_CHECKING:
    from scheduler.plan import Plan

# What is written before the other side reads must fit into a pipe (pipe(7)).
_PIPE_CAPACITY = 65_536

_ENDING = (signal.SIGTERM, signal.SIGINT)


def launch(plan: "Plan") -> None:
    """Turns this process into the program. Does not return.

    The plan goes through a pipe, since it may hold secrets, and arguments and environment can be
    read by others; so keys in the environment go no further than this.
    """
    from scheduler.heartbeat.settings import SECRETS
    from scheduler.transactions.environment import VARIABLES

    content = json.dumps(asdict(plan)).encode()
    if len(content) >= _PIPE_CAPACITY:
        raise Misconfigured("the configuration's values are too long")
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    os.set_inheritable(reading, True)
    # Money on Chain's jobs may have their whole configuration there (scheduler/moc_config.py), and
    # a node's URL may hold a key.
    for variable in (*VARIABLES, *SECRETS, "MOC_JOBS_CONFIG", "SCHEDULER_RPC_URL"):
        os.environ.pop(variable, None)
    # Without it, a file in the working directory could stand in for a module (Python 3.11+).
    os.environ["PYTHONSAFEPATH"] = "1"
    sys.stdout.flush()
    # The new interpreter takes a signal that comes before it can: the mask survives exec.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    os.execv(sys.executable, [sys.executable, "-m", __name__, plan.program, str(reading)])


def main() -> None:
    """The running program. Ends the process: 0 after SIGTERM, 1 or 2 with a line on stderr."""
    for signum in _ENDING:
        signal.signal(signum, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    program, reading = sys.argv[1:]
    leave_out_pydantic()
    from scheduler import logs
    from scheduler.chain.endpoint import secrets_in
    from scheduler.networks import chain_id_of
    from scheduler.plan import MOC_JOBS, Plan
    from scheduler.processes import by_supervisord, die_with_parent
    from scheduler.redaction import hide_key, redacted
    from scheduler.spelling import speak_of, spelled

    with open(int(reading), encoding="utf-8") as pipe:
        plan = Plan(**json.load(pipe))
    if by_supervisord():
        die_with_parent()
    endpoints = [plan.endpoint, *plan.fallbacks]
    secrets = [secret for each in endpoints for secret in secrets_in(each)]
    secrets += plan.heartbeat["credentials"].values() if plan.heartbeat else []
    speak_of(plan.chain_id or chain_id_of(plan.network))
    if plan.key:
        hide_key(bytes.fromhex(plan.key))
    layout = logs.MOC_JOBS_FORMAT if plan.program == MOC_JOBS else logs.FORMAT
    logs.configure(secrets, layout=layout, form=plan.log_format)
    for remark in plan.remarks:
        logging.getLogger("CONFIG").warning("%s", remark)
    try:
        asyncio.run(_run(plan))
    except (Misconfigured, NotYet) as error:
        # A node's own words may be of many lines.
        line = spelled(" ".join(redacted(str(error)).split()))
        print(f"{program}: {line}", file=sys.stderr)
        sys.exit(exit_status(error))


async def _run(plan: "Plan") -> NoReturn:
    from scheduler.heartbeat.child import beating
    from scheduler.plan import MOC_JOBS
    from scheduler.programs import Program
    from scheduler.service import serve

    program = Program(plan)
    has_heartbeat = plan.program == MOC_JOBS
    heartbeat = beating(plan.heartbeat, program.pulse.path, log_format=plan.log_format)
    with heartbeat if has_heartbeat else nullcontext():
        await serve(program.assemble, program.pulse, plan.patient)
    # Where nobody reads the log any more there is nobody to tell.
    with suppress(OSError):
        sys.stdout.flush()
    # At once: the end of the interpreter would wait for a host name that is being resolved, for
    # longer than a stop may take.
    os._exit(0)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
