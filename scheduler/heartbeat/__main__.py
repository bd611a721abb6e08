"""The child that sends the heartbeat: `python -m scheduler.heartbeat`, with its orders on stdin.

Standard input stays open while the program lives. Where it ends without this process having been
told to end (SIGTERM), the program crashed or was killed: that is the last thing sent.
"""

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from scheduler import logs
from scheduler.heartbeat.child import USELESS
from scheduler.heartbeat.cloudwatch import CloudWatch, NotInstalled, NotSent
from scheduler.heartbeat.sender import Sender
from scheduler.heartbeat.settings import Settings

_LAST_WORDS_SECONDS = 5.0


def main() -> None:
    program = os.getppid()
    order = json.loads(sys.stdin.readline())
    settings = Settings(**order["settings"])
    logs.configure(list(settings.credentials.values()), layout=logs.MOC_JOBS_FORMAT)
    # It says with which credentials it does what, and at DEBUG what is in them.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # Only now: what a process is started with can be read in /proc, what it sets itself can not.
    os.environ.update(settings.credentials)
    senders: list[Sender] = []
    orders = (settings, Path(order["sign"]), program, order["foremost"], senders)
    threading.Thread(target=_send, args=orders, daemon=True).start()
    sys.stdin.read()
    for sender in senders:
        words = threading.Thread(target=_last_words, args=(sender,), daemon=True)
        words.start()
        words.join(_LAST_WORDS_SECONDS)
    os._exit(0)


def _send(
    settings: Settings, sign: Path, program: int, foremost: bool, senders: list[Sender]
) -> None:
    """Ends the process where it cannot go on."""
    status = 1
    try:
        cloudwatch = CloudWatch(settings.name, settings.region)
        senders.append(Sender(settings, cloudwatch, sign, program, foremost))
        senders[0].run()
    except NotInstalled as error:
        logging.getLogger("HEARTBEAT").warning("%s", error)
        status = USELESS
    except Exception:
        logging.getLogger("HEARTBEAT").exception("The heartbeat stops")
    sys.stdout.flush()
    os._exit(status)


def _last_words(sender: Sender) -> None:
    with suppress(NotSent):
        sender.last_words()


if __name__ == "__main__":
    main()
