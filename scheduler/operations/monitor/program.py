"""The life of scheduler-monitor: look at the box every few seconds, and tell of it."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from prometheus_client import start_http_server

from scheduler import config, logs
from scheduler.chain.endpoint import secrets_in
from scheduler.errors import Misconfigured
from scheduler.heartbeat.child import beating
from scheduler.heartbeat.settings import SECRETS
from scheduler.locks import Held, Lock
from scheduler.notices import Notice
from scheduler.operations.facts import records
from scheduler.operations.facts.gatherer import Gatherer
from scheduler.operations.facts.reading import Sources
from scheduler.operations.monitor import listener
from scheduler.operations.monitor.beat import BoxVitals
from scheduler.operations.monitor.channels import channels
from scheduler.operations.monitor.incidents import Incidents
from scheduler.operations.monitor.metrics import registry
from scheduler.operations.monitor.outbox import Outbox
from scheduler.operations.monitor.pinging import Pinger, heads_are_processed
from scheduler.operations.page.app import Page
from scheduler.operations.page.server import Server
from scheduler.operations.status import Status, status_of
from scheduler.plan import MONITOR
from scheduler.processes import by_supervisord, die_with_parent
from scheduler.pulse import Pulse
from scheduler.service import until_told

log = logging.getLogger("MONITOR")

LOOK_SECONDS = 5.0


class Watcher:
    """Looks, and tells. `latest` is the status of the last look, None before the first."""

    def __init__(self, settings: config.Settings, source: Path | None) -> None:
        self._settings = settings
        self._gatherer = Gatherer(settings, source)
        journal = settings.journal_file()
        self._writing = Sources()
        self._outbox = Outbox(journal, channels(settings.monitor))
        self._incidents = Incidents(journal)
        self._vitals = BoxVitals()
        url = settings.monitor.ping_url
        self._pinger = None if url is None else Pinger(url)
        self._unwritten = Notice(log)
        self.pulse = Pulse(records.place(journal) / records.LIFE, MONITOR)
        self.latest: Status | None = None

    def heard(self, event: listener.ProcessEvent) -> None:
        """One of supervisord's events; from its own thread."""
        self._incidents.heard(event)

    async def watch(self) -> None:
        """Looks for ever."""
        self._outbox.start()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self._look()
            await asyncio.sleep(max(0.0, began + LOOK_SECONDS - loop.time()))

    async def _look(self) -> None:
        facts = await self._gatherer.facts()
        status = status_of(facts)
        self.latest = status
        # A volume that hangs keeps neither metrics nor alerts waiting.
        self._writing.unread = {}
        await self._writing.call("records", lambda: self._record(status))
        why = self._writing.unread.get("records")
        if why is not None:
            self._unwritten.raised(f"what is found cannot be kept beside the journal: {why}")
        else:
            self._unwritten.cleared("what is found can be kept again")
        if self._pinger is not None and heads_are_processed(facts, status.checks):
            self._pinger.ping_if_due()

    def _record(self, status: Status) -> None:
        facts = status.facts
        messages = self._outbox.alerts.take(status.checks, facts.read_at)
        for message in messages:
            self._incidents.told(message)
        self._outbox.put(messages)
        account = facts.account
        self.pulse.account = None if account is None else account.address
        self.pulse.beat(None, {}, None, self._vitals.take(facts, status.checks))


def run(
    settings: config.Settings,
    source: Path | None,
    heartbeat: Mapping[str, Any] | None,
    remarks: Sequence[str] = (),
) -> NoReturn:
    """Becomes scheduler-monitor, with this heartbeat (scheduler.heartbeat.settings.Settings); the
    `remarks` are said first. Ends the process: 0 after SIGTERM. Raises Misconfigured."""
    protocol = listener.output_is_the_protocol_s() if by_supervisord() else None
    if protocol is not None:
        die_with_parent()
    secrets = [secret for _, url in settings.urls for secret in secrets_in(url)]
    secrets += heartbeat["credentials"].values() if heartbeat else []
    logs.configure(secrets, form=settings.log_format)
    for remark in remarks:
        log.warning("%s", remark)
    for variable in SECRETS:
        # CloudWatch's alerts are sent by a child that finds them there.
        if settings.monitor.cloudwatch is None:
            os.environ.pop(variable, None)
    try:
        lock = Lock(f"{MONITOR}/{settings.journal_file()}")
    except Held as held:
        raise Misconfigured(f"{held.holder} watches this box already; stop it first") from held
    watcher = Watcher(settings, source)
    _expose(watcher, settings.monitor.metrics_port)
    page = Page(settings.journal_location(), lambda: watcher.latest)
    server = Server(page, settings.monitor)
    if protocol is not None:
        listener.listen(sys.stdin.buffer, protocol, watcher.heard)
    form = settings.log_format
    with beating(heartbeat, watcher.pulse.path, foremost=True, log_format=form):
        asyncio.run(_until_told(watcher, server))
    lock.release()
    with suppress(OSError):
        sys.stdout.flush()
    # At once: threads that tell somebody may hang.
    os._exit(0)


def _expose(watcher: Watcher, port: int) -> None:
    """Serves the metrics on loopback. Raises Misconfigured."""
    try:
        server, _ = start_http_server(
            port, addr="127.0.0.1", registry=registry(lambda: watcher.latest)
        )
    except OSError as error:
        raise Misconfigured(
            f"port {port} of 127.0.0.1, for the metrics: {error.strerror}; "
            "choose another with metrics-port in [monitor]"
        ) from error
    log.info("metrics: http://127.0.0.1:%d/metrics", server.server_port)


async def _until_told(watcher: Watcher, server: Server) -> None:
    try:
        await until_told(asyncio.gather(watcher.watch(), server.serve()))
    except asyncio.CancelledError:
        log.info("Stopping")
