"""Debian as this machine's package client has it: its mirror, and roots made from that.

Mirror and clients' settings are the host's own; nothing here names one.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from scheduler.devchain.toolchain import cache_directory


def bootstrap(suite: str, target: Path, packages: Sequence[str]) -> None:
    """Makes `target` a root of debootstrap's smallest variant with these packages. Needs root."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    mirror = next(uri for uri, found in archives_of_host(suite) if found == suite)
    # debootstrap reads its proxy from the environment, as the host's clients do.
    with open(cache_directory() / "debootstrap.log", "wb") as log:
        subprocess.run(
            [*command, suite, str(target), mirror], stdout=log, stderr=subprocess.STDOUT, check=True
        )


def archives_of_host(release: str) -> Iterator[tuple[str, str]]:
    """URI and suite of each of the host's sources of a release's suites (sources.list(5))."""
    for file in sorted(Path("/etc/apt").glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"(?m)^(URIs|Suites):\s*(.+)$", stanza))
            uris, suites = fields.get("URIs", "").split(), fields.get("Suites", "").split()
            yield from _of_release(release, uris, suites)
    lists = [Path("/etc/apt/sources.list"), *Path("/etc/apt").glob("sources.list.d/*.list")]
    line = re.compile(r"(?m)^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)")
    for file in filter(Path.exists, lists):
        for uri, suite in line.findall(file.read_text()):
            yield from _of_release(release, [uri], [suite])


def _of_release(
    release: str, uris: Sequence[str], suites: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for uri in uris:
        for suite in suites:
            if suite.startswith(release):
                yield uri.rstrip("/"), suite
