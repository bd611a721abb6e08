"""A real registry of images on loopback, for whoever has the password of moto's ECR."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import free_port, until

# moto's password for the account 123456789012, "123456789012-auth-token", as bcrypt has it.
_PASSWORDS = "AWS:$2b$05$abcdefghijklmnopqrstuu/4ofrUS75HrKu6f.iuRo0I/XlrmpqlC\n"

_CONFIGURATION = """\
version: 0.1
log: {{ level: error, accesslog: {{ disabled: true }} }}
storage: {{ filesystem: {{ rootdirectory: {directory}/images }} }}
http: {{ addr: "127.0.0.1:{port}" }}
auth: {{ htpasswd: {{ realm: images, path: {directory}/passwords }} }}
"""


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """Its address, a host and a port; what is pushed to it is in `directory`."""
    port = free_port()
    (directory / "passwords").write_text(_PASSWORDS)
    configuration = directory / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(directory=directory, port=port))
    with (directory / "registry.log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(configuration)], stdout=log, stderr=log
        )
    try:
        until(lambda: _answers(port))
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    """Whether it is there; it asks for a password."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True
