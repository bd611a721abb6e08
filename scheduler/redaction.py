"""What no output shows: the secrets that this process knows, and what looks like one."""

import re
import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType

from scheduler.chain.endpoint import secrets_in, without

HIDDEN = "…"

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)

# A password is all that is secret in a database's URL, and the journal's holds none
# (scheduler/config/fields.py): its host and name must be read by whoever is to mend it.
_DATABASE = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_ITS_PASSWORD = re.compile(r"(?<=://)([^:@]*:).*(?=@)|((?:ssl)?password=)[^&]*", re.IGNORECASE)

# What programs and libraries write before a secret. A hash is no secret, and has the form of a
# private key: so the form alone tells nothing, and known keys are hidden by their digits.
_NAMED = re.compile(
    r"""((?:password|passphrase|secret|private[_\s-]?key|api[_-]?key|access[_-]?key(?:[_-]?id)?
    |token|mnemonic|authorization)["']?\s*[:=]\s*)
    (?:(["'])(?:(bearer|basic)\s+)?(?:(?!\2).)+\2|(?:(bearer|basic)\s+)?[^\s"',;)}\]]{8,})""",
    re.IGNORECASE | re.VERBOSE,
)

# AWS: identifiers of keys (IAM User Guide, "unique identifiers"). PEM (RFC 7468). JWT (RFC 7519).
_SHAPED = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+",
    re.DOTALL,
)

# Of this process, whose output is one, too. The longest come first: else what is left of one, from
# which a shorter one was taken out, would be shown.
_known: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """From now on nothing that this process writes shows these; empty ones say nothing."""
    _known[:] = sorted({*_known, *filter(None, secrets)}, key=len, reverse=True)


def hide_key(key: bytes) -> None:
    """The same for a private key, however an exception may write it."""
    digits = key.hex()
    hide([digits, digits.upper(), str(int.from_bytes(key, "big")), repr(key)[2:-1]])


def redacted(text: str) -> str:
    """`text` with an ellipsis in place of every secret."""
    text = without(_known, text)
    if "://" in text:
        text = _URL.sub(_without_its_secrets, text)
    return _SHAPED.sub(HIDDEN, _NAMED.sub(_with_its_name, text))


def _without_its_secrets(match: "re.Match[str]") -> str:
    url = match[0]
    if _DATABASE.match(url):
        return _ITS_PASSWORD.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", url)
    try:
        return without(secrets_in(url), url)
    except ValueError:
        # No URL after all: who knows what it is.
        return HIDDEN


def _with_its_name(match: "re.Match[str]") -> str:
    name, quote, quoted, bare = match.groups(default="")
    scheme = f"{quoted or bare} " if quoted or bare else ""
    return f"{name}{quote}{scheme}{HIDDEN}{quote}"


def guard_tracebacks() -> None:
    """What ends this process or one of its threads unforeseen is written redacted, too."""
    sys.excepthook = _write
    threading.excepthook = lambda ended: _write(
        ended.exc_type, ended.exc_value, ended.exc_traceback
    )


def _write(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    # Of a thread, this one says that it is to end and nothing more (threading.excepthook).
    if error is not None and kind is not SystemExit:
        sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))
