"""The ways by which an operator is told: the log, e-mail, a webhook, CloudWatch."""

import json
import logging
import os
import smtplib
import socket
import ssl
import subprocess
import sys
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol

import requests

from scheduler.chain.endpoint import secrets_in, without
from scheduler.config.model import AlertMetric, Email, Monitor
from scheduler.errors import Misconfigured
from scheduler.operations.monitor.alerts import Kind, Message
from scheduler.spelling import spelled
from scheduler.transactions.secrets import private_file

log = logging.getLogger("ALERT")

TIMEOUT_SECONDS = 10.0

# AWS's library alone takes a second or two to be imported on a small machine.
_CHILD_SECONDS = 60.0


class NotDelivered(Exception):
    """A message did not get where it should; why, in a line without secrets."""


class Channel(Protocol):
    """A way to tell somebody."""

    name: str

    def send(self, message: Message) -> None:
        """Raises NotDelivered. May take as long as the other side takes, within limits."""
        ...


def channels(settings: Monitor) -> list[Channel]:
    """Those that are configured; the log always is one."""
    box = socket.gethostname()
    found: list[Channel] = [LogChannel(box)]
    if settings.email is not None:
        found.append(EmailChannel(settings.email, box))
    if settings.webhook is not None:
        found.append(WebhookChannel(settings.webhook, box))
    if settings.cloudwatch is not None:
        found.append(CloudWatchChannel(settings.cloudwatch, box))
    return found


class LogChannel:
    """The monitor's own log."""

    name = "log"

    def __init__(self, box: str) -> None:
        self._box = box

    def send(self, message: Message) -> None:
        if message.kind is Kind.BEGAN:
            log.error("%s; do: %s", message.subject(self._box), message.remedy)
        else:
            log.info("%s", message.subject(self._box))


class EmailChannel:
    """SMTP (RFC 5321); with a user, only after STARTTLS or on the port of SMTPS (RFC 8314)."""

    name = "e-mail"

    def __init__(self, settings: Email, box: str) -> None:
        self._settings = settings
        self._box = box

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.to)
        mail["Date"] = formatdate(message.at)
        # A header is one line.
        mail["Subject"] = spelled(" ".join(message.subject(self._box).split()))[:200]
        mail.set_content(spelled(message.text(self._box)))
        try:
            with self._connected() as server:
                server.send_message(mail)
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message
            raise NotDelivered(
                f"{self._settings.server}: its certificate is not taken: {why}"
            ) from error
        except (OSError, ValueError, smtplib.SMTPException, Misconfigured) as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise NotDelivered(f"{self._settings.server}: {words}") from error

    def _connected(self) -> smtplib.SMTP:
        host, _, port = self._settings.server.partition(":")
        number = int(port or (587 if self._settings.user else 25))
        if number == smtplib.SMTP_SSL_PORT:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, number, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(host, number, timeout=TIMEOUT_SECONDS)
        user, file = self._settings.user, self._settings.password_file
        if user is not None and file is not None:
            try:
                if number != smtplib.SMTP_SSL_PORT:
                    server.starttls(context=ssl.create_default_context())
                password = private_file(file, "the mail password's file").read_text()
                server.login(user, password.partition("\n")[0])
            except BaseException:
                server.close()
                raise
        return server


class WebhookChannel:
    """A JSON object by HTTP POST, whose `text` chats such as Slack and Mattermost show, and whose
    `content` Discord does; the rest is for programs."""

    name = "webhook"

    def __init__(self, url: str, box: str) -> None:
        self._url = url
        self._box = box

    def send(self, message: Message) -> None:
        text = spelled(message.text(self._box).strip())
        body = {
            "text": text,
            "content": text,
            "box": self._box,
            "kind": message.kind.value,
            "check": message.check,
            "reason": spelled(message.reason),
            "remedy": spelled(message.remedy),
            "at": message.at,
            "since": message.since,
        }
        post(self._url, body)


class CloudWatchChannel:
    """A value of a metric for each message, 1 or 0, by a child that alone has AWS's library."""

    name = "CloudWatch"

    def __init__(self, settings: AlertMetric, box: str) -> None:
        self._settings = settings
        self._box = box

    def send(self, message: Message) -> None:
        order = {
            "namespace": self._settings.namespace,
            "region": self._settings.region,
            "dimensions": {"Box": self._box, "Check": message.check},
            "value": 1 if message.kind is Kind.BEGAN else 0,
        }
        try:
            done = subprocess.run(
                [sys.executable, "-m", "scheduler.operations.monitor.cloudwatch"],
                input=json.dumps(order),
                capture_output=True,
                text=True,
                timeout=_CHILD_SECONDS,
                check=False,
                env=os.environ,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotDelivered(f"what speaks to AWS failed: {error}") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["it ended without a word"]
            raise NotDelivered(lines[-1])


def post(url: str, body: object) -> None:
    """Raises NotDelivered unless the answer says that it was taken."""
    _asked("POST", url, body)


def get(url: str) -> None:
    """Raises NotDelivered unless the answer is a good one."""
    _asked("GET", url, None)


def _asked(method: str, url: str, body: object) -> None:
    try:
        # Without redirects: whoever is sent elsewhere would get what is not for him.
        answer = requests.request(
            method, url, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        words = " ".join(str(error).split())
        # requests repeats the path, which is the secret.
        raise NotDelivered(without([*secrets_in(url), url], words)) from None
    if not answer.ok or answer.is_redirect:
        raise NotDelivered(f"the server answers {answer.status_code} {answer.reason}")
