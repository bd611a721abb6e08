"""What a key of the configuration may hold: each kind of value, and the words that refuse others.

Values that may hold a secret are never repeated.
"""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import ErrorDetails

from scheduler.chain.addresses import address_from
from scheduler.chain.endpoint import Endpoint
from scheduler.chain.model import Address
from scheduler.networks import networks
from scheduler.plan import MOC_PROGRAMS, MONITOR, SCHEDULER, SCHEDULER_V6
from scheduler.transactions.journal.location import is_remote

_HIGHEST_PORT = 65_535

_WEI_PER = {"wei": 1, "gwei": 10**9, "ether": 10**18}
_AMOUNT = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(wei|gwei|ether)\s*$")


# What pydantic finds, in an operator's words; its other findings are in ours already.
_WORDS = {
    "missing": "it is missing",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false",
    "string_type": "write a text, in quotes",
    "model_type": "write {group}",
    "dict_type": "write {group}",
    "tuple_type": "write a list, in brackets",
    "greater_than": "write a number greater than {gt}",
    "greater_than_equal": "write a number of {ge} or more",
    "literal_error": "write {expected}",
}


def in_words(finding: ErrorDetails, group: str) -> str:
    """What is wrong, of a finding of pydantic's; never the value, which may be a secret.

    `group` is what the file's language calls what has keys.
    """
    words = _WORDS.get(finding["type"])
    if words is None:
        return finding["msg"].removeprefix("Value error, ")
    return words.format(group=group, **finding.get("ctx", {}))


def wei(value: object) -> object:
    """`"50 gwei"` as wei; what is no such text is left to be refused."""
    if not isinstance(value, str):
        return value
    match = _AMOUNT.match(value)
    if match is None:
        raise ValueError('write an amount with its unit, such as "50 gwei"')
    number, unit = match.groups()
    whole, _, decimals = number.partition(".")
    scale = _WEI_PER[unit]
    wei, rest = divmod(int(whole + decimals) * scale, 10 ** len(decimals))
    if rest:
        raise ValueError("an amount has no fractions of a wei")
    return wei


def network_name(value: str) -> str:
    if value not in networks():
        raise ValueError(f"write one of {', '.join(networks())}")
    return value


def programs_of_a_box(values: tuple[str, ...]) -> tuple[str, ...]:
    known = (SCHEDULER, SCHEDULER_V6, *MOC_PROGRAMS, MONITOR)
    if not values or not set(values) <= set(known):
        raise ValueError(f"name programs of these: {', '.join(known)}")
    return values


def whole_path(value: Path) -> Path:
    # Relative ones would name another file after a start in another directory.
    try:
        path = value.expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such home directory; write the whole path") from error
    if not path.is_absolute():
        raise ValueError("write a whole path, beginning with / or ~/")
    return path


def journal_place(value: object) -> Path | str:
    """A path, or the URL of a PostgreSQL database, which is shown and so holds no secret."""
    if isinstance(value, Path):
        return whole_path(value)
    if not isinstance(value, str):
        raise ValueError("write a text, in quotes: a path, or postgresql://USER@HOST/DATABASE")
    if not is_remote(value):
        if "://" in value:
            raise ValueError("a URL of a journal begins with postgresql://")
        return whole_path(Path(value))
    # The value is not told: it may hold the password.
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a URL holds no blanks and no letters beyond ASCII; write them as %XX")
    try:
        urlsplit(value)
    except ValueError as error:
        raise ValueError("write postgresql://USER@HOST/DATABASE") from error
    # To libpq a password goes on to the @, and may have in it what ends a host elsewhere: / # ?
    before_host = value.partition("://")[2].rpartition("@")[0]
    queried = parse_qs(value.partition("?")[2]).keys()
    if ":" in before_host or {"password", "sslpassword"} & queried:
        raise ValueError(
            "a URL is shown, so it holds no password: write that into a file that only this user "
            'can read, and name the file with journal-password-file = "…"'
        )
    return value


def rpc_url(value: str) -> str:
    """What no node's address can be is refused, and never repeated: it may hold a key."""
    scheme, separator, _ = value.partition("://")
    if not separator:
        path = value.removeprefix("ipc:")
        if not path.startswith(("/", "~")):
            raise ValueError(
                "write http://, https://, ws:// or wss:// and the host, or the path of the node's "
                "IPC socket, beginning with / or ~/"
            )
        return str(whole_path(Path(path)))
    if scheme.lower() not in ("http", "https", "ws", "wss"):
        raise ValueError("a URL of a node begins with http://, https://, ws:// or wss://")
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a URL holds no blanks and no letters beyond ASCII; write them as %XX")
    try:
        Endpoint.parse(value).host.encode("idna")
    except UnicodeError as error:
        raise ValueError("its host is no host name") from error
    return value


def _listed(value: object) -> object:
    """One node's address as a list; of a text, several are told apart by blanks."""
    if not isinstance(value, str):
        return value
    return re.split(r"\s+(?=[a-z]+://|[/~])", value)


def rpc_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError(
            "write the URL of a node; of several, each is asked when none before answers"
        )
    found, faults = [], []
    for number, value in enumerate(values, 1):
        try:
            found.append(rpc_url(value))
        except ValueError as error:
            faults.append(str(error) if len(values) == 1 else f"number {number}: {error}")
    if faults:
        raise ValueError("\n".join(faults))
    if len(set(found)) < len(found):
        raise ValueError("the same node is there twice; name each once")
    return tuple(found)


def host_and_port(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:[0-9]{1,5})?", value):
        raise ValueError("write a host name or an address, and :PORT behind it where it needs one")
    return value


def listening_at(value: str) -> str:
    match = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[\w.-]+):([0-9]{1,5})", value)
    if match is None or int(match[1]) > _HIGHEST_PORT:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:9470")
    return value


def web_url(value: str) -> str:
    """Never repeated: whoever knows it can write there."""
    if not re.fullmatch(r"https?://[!-~]+", value) or not urlsplit(value).hostname:
        raise ValueError("write a URL that begins with https:// or http://")
    return value


Wei = Annotated[int, BeforeValidator(wei), Field(ge=0, strict=True)]
AddressField = Annotated[Address, AfterValidator(address_from)]
PathField = Annotated[Path, AfterValidator(whole_path)]
JournalField = Annotated[Path | str, PlainValidator(journal_place)]
RpcUrl = Annotated[str, AfterValidator(rpc_url)]
RpcUrls = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(rpc_urls)]
WebUrl = Annotated[str, AfterValidator(web_url)]
