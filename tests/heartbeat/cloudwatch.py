"""CloudWatch on loopback: moto's server, which keeps what is sent; and ones that do not answer."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scheduler.heartbeat.settings import NAMESPACE
from tests.commands import free_port, until

# One sends for a name and an account on a box, and tests run side by side.
NAME = f"moc-testnet-{os.getpid()}"
REGION = "us-west-1"
SECRET = "a-secret-of-aws-0123456789abcdefghij"

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}


def variables(endpoint: str, **more: str) -> dict[str, str]:
    """What an operator sets, and where CloudWatch is."""
    return {
        "MOC_JOBS_NAME": NAME,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        # No test asks for a role at the address that instances have it.
        "AWS_EC2_METADATA_DISABLED": "true",
        **KEYS,
        **more,
    }


class CloudWatch:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def values(self, name: str = NAME) -> list[int]:
        """All that was sent of the metric, in order."""
        return [int(each["value"]) for each in self._data() if each["name"] == name]

    def metric(self) -> dict[str, Any]:
        """The one metric that there is: its names and dimensions, and the units of its values."""
        from boto3.session import Session

        session = Session(*KEYS.values(), region_name=REGION)
        client = session.client("cloudwatch", endpoint_url=self.url)
        (metric,) = client.list_metrics(Namespace=NAMESPACE)["Metrics"]
        client.close()
        return {**metric, "Units": {each["unit"] for each in self._data()}}

    def saw(self, *values: int, seconds: float = 90) -> None:
        """Waits until what was sent is as long as these values, which it must begin with."""
        until(lambda: len(self.values()) >= len(values), seconds)
        assert self.values()[: len(values)] == list(values)

    def forget(self) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def _data(self) -> list[Mapping[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/moto-api/data.json", timeout=10) as answer:
            content = json.load(answer)
        # It has nothing of a service before its first use.
        found: list[Mapping[str, Any]] = content.get("cloudwatch", {}).get("MetricDatum", [])
        return found


@contextmanager
def running() -> Iterator[CloudWatch]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port), 60)
        cloudwatch = CloudWatch(f"http://127.0.0.1:{port}")
        cloudwatch.forget()
        yield cloudwatch
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def hanging() -> Iterator[str]:
    """One that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class _Role(BaseHTTPRequestHandler):
    """Imitates what gives a role's credentials: an ECS task's endpoint, and an EC2 instance's
    metadata service, version 2 (their documented paths and answers)."""

    CREDENTIALS = json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": "ASIAROLE",
            "SecretAccessKey": SECRET,
            "Token": "token",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    )
    ANSWERS: Mapping[str, str] = {
        "/task": CREDENTIALS,
        "/latest/api/token": "token",
        "/latest/meta-data/iam/security-credentials/": "the-role",
        "/latest/meta-data/iam/security-credentials/the-role": CREDENTIALS,
    }

    def do_GET(self) -> None:
        answer = self.ANSWERS.get(self.path, "").encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def role() -> Iterator[str]:
    """Where a role's credentials are."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Role) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
