"""The settings of a box: one typed model, read from a file and the environment."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from scheduler import toml
from scheduler.chain.endpoint import secrets_in
from scheduler.config.fields import journal_place
from scheduler.config.model import Settings, is_there, validated
from scheduler.errors import Misconfigured
from scheduler.networks import chain_id_of
from scheduler.spelling import speak_of
from scheduler.transactions.journal.location import Remote, is_remote

__all__ = ["DEFAULT_FILE", "ENVIRONMENT", "Settings", "load", "remote_journal", "source"]

DEFAULT_FILE = Path("/etc/scheduler/config.toml")

# Top-level keys that may be given in the environment, which wins over the file.
ENVIRONMENT = {
    "network": "SCHEDULER_NETWORK",
    "rpc-url": "SCHEDULER_RPC_URL",
    "account": "SCHEDULER_ACCOUNT",
    "signer": "SCHEDULER_SIGNER",
    "mode": "SCHEDULER_MODE",
    "journal": "SCHEDULER_JOURNAL",
    "journal-password-file": "SCHEDULER_JOURNAL_PASSWORD_FILE",
    "log-format": "SCHEDULER_LOG_FORMAT",
}


def remote_journal(url: str, directory: Path, password_file: Path | None) -> Remote:
    """The PostgreSQL database that a command line names. Raises Misconfigured."""
    try:
        if is_remote(url):
            return Remote(str(journal_place(url)), directory, password_file)
    except ValueError as error:
        raise Misconfigured(f"POSTGRES-URL: {error}") from None
    raise Misconfigured("POSTGRES-URL: write postgresql://USER@HOST/DATABASE")


def load(file: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this box.

    From `file`, else the one that SCHEDULER_CONFIG names, else /etc/scheduler/config.toml where
    that exists, else defaults; then from the environment, where empty variables say nothing.
    From now on the process speaks of their network. Raises Misconfigured, naming the key and what
    to write.
    """
    found = source(file, environment)
    path = found or DEFAULT_FILE
    values: dict[str, object] = {} if found is None else _read(found)
    given = {key: variable for key, variable in ENVIRONMENT.items() if environment.get(variable)}
    values |= {key: environment[variable] for key, variable in given.items()}
    settings = validated(values, str(path), given)
    written = [(key, url) for key, url in settings.urls if key not in given]
    _keep_private(path, written)
    speak_of(chain_id_of(settings.network))
    return settings


def source(file: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `load` reads, None where there is none."""
    named = file or (Path(text) if (text := environment.get("SCHEDULER_CONFIG")) else None)
    if named is not None:
        return named
    return DEFAULT_FILE if is_there(DEFAULT_FILE) else None


def _keep_private(path: Path, urls: Sequence[tuple[str, str]]) -> None:
    """Raises Misconfigured where others can read a file with a password or key in a URL."""
    secret = [key for key, url in urls if secrets_in(url)]
    if secret and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(
            f"{path} can be read by others, and its {secret[0]} may hold a password or key; "
            f"run: chmod 600 {path}"
        )


def _read(path: Path) -> dict[str, object]:
    try:
        return toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}; name the right file with --config, "
            "or make it readable for this user"
        ) from error
    except toml.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8 text") from error
