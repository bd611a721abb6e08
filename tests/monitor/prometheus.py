"""A real Prometheus, and promtool: Debian's, unpacked and not installed, since that would start a
service and bring along what its pages are made of."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scheduler.devchain.toolchain import ToolchainError, installed, run
from tests.commands import free_port, until


def program(name: str) -> str:
    """`prometheus` or `promtool`. Raises ToolchainError where the package cannot be had."""
    return str(installed("prometheus", "unpacking Debian's prometheus", _unpack) / name)


def _unpack(target: Path) -> None:
    # Which version there is, and that it is Debian's, apt knows from the lists that it verified; a
    # machine that was made without them gets them first.
    download = ["apt-get", "download", "prometheus"]
    try:
        run("prometheus", download, {}, cwd=target)
    except ToolchainError:
        run("prometheus", ["apt-get", "update"], {})
        run("prometheus", download, {}, cwd=target)
    [package] = target.glob("*.deb")
    run("prometheus", ["dpkg-deb", "--extract", package.name, "root"], {}, cwd=target)
    package.unlink()
    for name in ("prometheus", "promtool"):
        (target / "root/usr/bin" / name).rename(target / name)
    run("prometheus", ["rm", "-r", "root"], {}, cwd=target)


def promtool(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """The end of `promtool ARGUMENTS` with this on its standard input."""
    return subprocess.run(
        [program("promtool"), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Prometheus:
    """One that runs, asked over its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=10):
                return True
        except OSError:
            return False

    def asked(self, path: str, **query: str) -> Any:
        """The `data` of the answer (its docs, "HTTP API")."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def samples(self, query: str) -> list[dict[str, str]]:
        """The labels of what the query finds now."""
        return [each["metric"] for each in self.asked("query", query=query)["result"]]

    def alerts(self, state: str) -> set[tuple[str, str | None]]:
        """Those that are pending or firing, with the check that they are about."""
        return {
            (each["labels"]["alertname"], each["labels"].get("check"))
            for each in self.asked("alerts")["alerts"]
            if each["state"] == state
        }

    def rules(self) -> list[dict[str, Any]]:
        groups = self.asked("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(directory: Path, config: str) -> Iterator[Prometheus]:
    """One with this configuration, which keeps what it has in the directory."""
    (directory / "prometheus.yml").write_text(config)
    port = free_port()
    with open(directory / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        until(lambda: process.poll() is not None or found.is_ready(), 60)
        assert process.poll() is None, (directory / "prometheus.log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait(30)
