"""AWS on loopback: moto's server, and the client that operators have, with credentials for it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from boto3.session import Session

from tests.commands import BIN, free_port, until

REGION = "us-west-1"
ACCOUNT = "123456789012"

# Examples of AWS's own documentation.
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


class Aws:
    """A running server, and an operator's environment for it."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.environment: Mapping[str, str] = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "AWS_ENDPOINT_URL": url,
            # Nobody asks for a role at the address that instances have it.
            "AWS_EC2_METADATA_DISABLED": "true",
            **KEYS,
        }

    def client(self, service: str) -> Any:
        """AWS's library, for what a test itself asks."""
        session = Session(*KEYS.values(), region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def forget(self) -> None:
        """Has nothing any more."""
        request = Request(f"{self.url}/moto-api/reset", method="POST")
        urlopen(request, timeout=10).close()


@contextmanager
def aws(home: Path, running: int = 1) -> Iterator[Aws]:
    """A server that knows of nothing yet; of the tasks of a service that is made there, so many run
    at once, and no more come."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "MOTO_ECS_SERVICE_RUNNING": str(running)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url), 60)
        yield Aws(url, home)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urlopen(f"{url}/moto-api/data.json", timeout=5).close()
    except OSError:
        return False
    return True
