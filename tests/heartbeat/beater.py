"""A program with a heartbeat that does nothing else: `python beater.py JOURNAL INTERVAL`.

It becomes what standard input tells it to, a line at a time: a Vitals as JSON, "trouble", "exit"
(as one that was told to stop), "crash".
"""

import json
import os
import select
import sys
from dataclasses import asdict
from pathlib import Path

from scheduler import logs
from scheduler.health import Vitals
from scheduler.heartbeat.child import beating
from scheduler.heartbeat.settings import SECRETS, settings
from scheduler.pulse import Pulse

ACCOUNT = "0x" + "12" * 20


def main() -> None:
    journal, interval = Path(sys.argv[1]), float(sys.argv[2])
    logs.configure()
    found = settings(os.environ, interval)
    for secret in SECRETS:
        os.environ.pop(secret, None)
    pulse = Pulse.beside(journal, "moc_jobs")
    pulse.account = ACCOUNT
    with beating(None if found is None else asdict(found), pulse.path):
        print("begun", flush=True)
        live(pulse)
    os._exit(0)


def live(pulse: Pulse) -> None:
    vitals, trouble = Vitals(), None
    while True:
        pulse.beat(None, {}, trouble, vitals)
        if not select.select([sys.stdin], [], [], 0.1)[0]:
            continue
        word = sys.stdin.readline().strip()
        if word == "exit":
            return
        if word == "crash":
            raise RuntimeError("as a fault in the program would")
        trouble = word if word == "trouble" else None
        vitals = vitals if word == "trouble" else Vitals(**json.loads(word))


if __name__ == "__main__":
    main()
