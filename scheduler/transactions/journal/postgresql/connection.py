"""A connection to the journal's PostgreSQL server that never waits long.

A scheduler's loop stands still while the database answers, as it does with SQLite: so every limit
is below a block's time, on both sides. The server's own limits also free the others from a box that
was stopped, or lost its network, within a transaction.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import conninfo, pq
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown, TextLoader

from scheduler.errors import Misconfigured
from scheduler.transactions.journal.errors import JournalUnavailable
from scheduler.transactions.journal.location import Remote
from scheduler.transactions.secrets import private_file

if TYPE_CHECKING:
    from psycopg.abc import Buffer, PQGen

Result = TypeVar("Result")

OLDEST = 15
"""The first major version of PostgreSQL that the journal is tested with."""

ANSWER_SECONDS = 4.0
"""What a transaction, or a query that stands alone, may take in all."""

# libpq's options (PostgreSQL 15 documentation, 34.1.2), where the URL does not say otherwise. Two
# seconds is the shortest time-out for a connection. A peer that is gone is found out by the kernel
# within four more, also where nothing is on its way to it.
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "application_name": "scheduler",
        "connect_timeout": "2",
        "keepalives_idle": "2",
        "keepalives_interval": "1",
        "keepalives_count": "2",
        "tcp_user_timeout": "4000",
        # Of several hosts, the one that takes writes: after a failover that is another.
        "target_session_attrs": "read-write",
    }
)

# What the session promises, whatever defaults the server or the role has; times in milliseconds.
# The lock is the journal's (see PostgresqlDatabase), and idle is who holds it and says nothing.
_SESSION: Mapping[str, str] = MappingProxyType(
    {
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",
        "lock_timeout": "2000",
        "statement_timeout": "3500",
        "idle_in_transaction_session_timeout": "5000",
        "client_encoding": "UTF8",
        "timezone": "UTC",
    }
)

# For what takes its time by nature, and nothing waits for: migrations, copies, exports.
PATIENT: Mapping[str, str] = MappingProxyType(
    {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
)


class _Text(StrDumperUnknown):
    """PostgreSQL keeps no NUL in a text, which a contract may have put into its words."""

    def dump(self, obj: str) -> "Buffer | None":
        return super().dump(storable(obj))


def storable(text: str) -> str:
    """The text as PostgreSQL can keep it."""
    return text.replace("\0", "\ufffd")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Whoever waits for it gives up at `deadline` (time.monotonic), if that is set."""

    deadline: float | None = None

    def wait(
        self, gen: "PQGen[Result]", interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        if self.deadline is not None:
            timeout = self.deadline - time.monotonic()
            if timeout <= 0:
                raise psycopg.OperationalError(f"it took more than {ANSWER_SECONDS:g} seconds")
        return super().wait(gen, interval, timeout)

    @property
    def is_lost(self) -> bool:
        """Whether nothing more can be asked over it: it is closed, or an answer is still owed."""
        return self.closed or self.pgconn.transaction_status in (
            pq.TransactionStatus.ACTIVE,
            pq.TransactionStatus.UNKNOWN,
        )


def connect(where: Remote, settings: Mapping[str, str] = MappingProxyType({})) -> Connection:
    """A connection in which each statement is a transaction of its own until one is begun.

    `settings` are set in the session besides what it promises. Raises psycopg.Error, Misconfigured
    for a URL or a password file that cannot be used, JournalUnavailable for a server that is too
    old.
    """
    try:
        given = conninfo.conninfo_to_dict(where.url)
    except psycopg.ProgrammingError as error:
        raise Misconfigured(
            f"journal = {where} is no address that libpq takes: {str(error).strip()}; see "
            "docs/postgresql.md"
        ) from error
    options: dict[str, Any] = {**_OPTIONS, **given}
    if where.password_file is not None:
        options["password"] = _password(where.password_file)
    connection = Connection.connect(conninfo.make_conninfo(**options), autocommit=True)
    try:
        connection.deadline = time.monotonic() + ANSWER_SECONDS
        version = connection.info.server_version
        if version < OLDEST * 10_000:
            raise JournalUnavailable(
                f"the journal {where} is on PostgreSQL {version // 10_000}, and {OLDEST} or newer "
                "is needed; upgrade the server, or name another with journal = in the configuration"
            )
        session = {**_SESSION, **settings}.items()
        connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in session))
        adapters = connection.adapters
        adapters.register_dumper(int, Int8Dumper)
        adapters.register_dumper(str, _Text)
        adapters.register_loader("json", TextLoader)
    except BaseException:
        connection.close()
        raise
    connection.deadline = None
    return connection


def _password(path: Path) -> str:
    """The first line of a file that nobody else can read. Raises Misconfigured."""
    text = private_file(path, "journal-password-file").read_text(encoding="utf-8")
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise Misconfigured(f"journal-password-file {path} is empty; write the password into it")
    return line


# What libpq and PostgreSQL 15 say, and what the operator does about it.
_REMEDIES = (
    (
        "password authentication failed",
        "correct the password in the file that journal-password-file names, or in PGPASSWORD",
    ),
    (
        "no password supplied",
        "write the password into a file and name it with journal-password-file",
    ),
    ("no pg_hba.conf entry", "let this box and role in, in the server's pg_hba.conf"),
    ("does not exist", "make it, as docs/postgresql.md says"),
    (
        "permission denied",
        "give the role its rights on the journal's tables, as docs/postgresql.md says",
    ),
    ("lock timeout", "another process keeps it busy; {who}"),
    ("statement timeout", "the server is slow; {who}"),
    ("slots are reserved", "the server has no connection left; {who}"),
    ("too many clients", "the server has no connection left; {who}"),
    ("too many connections", "the server has no connection left; {who}"),
    ("certificate", "see sslmode and sslrootcert in the URL, and docs/postgresql.md"),
    ("read-only", "promote the standby, or name the server that takes writes"),
    ("No space left", "make room on the server's volume"),
    ("it took more than", "{who}"),
    ("wait timeout expired", "the server does not answer; see: pg_isready -d '{url}'"),
)

# Where none of them fits and the connection is gone.
_AWAY = "see whether the server runs and can be reached: pg_isready -d '{url}'"

_WHO = "see who: psql '{url}' -c 'SELECT * FROM pg_stat_activity'"

# A wrong or missing password: nothing that passes by itself.
_LOCKED_OUT = ("password authentication failed", "no password supplied")


def unavailable(where: Remote, what: str, error: psycopg.Error) -> JournalUnavailable:
    """The journal there cannot be `what` (opened, read, written), as an operator reads it."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .")
    remedies = [remedy for sign, remedy in _REMEDIES if sign in reason]
    if not remedies and isinstance(error, psycopg.OperationalError):
        remedies = [_AWAY]
    told = [each.format(url=where, who=_WHO.format(url=where)) for each in remedies[:1]]
    return JournalUnavailable("; ".join([f"the journal {where} cannot be {what}: {reason}", *told]))


def is_locked_out(error: psycopg.Error) -> bool:
    """Whether the server refused the password."""
    return any(sign in str(error) for sign in _LOCKED_OUT)
