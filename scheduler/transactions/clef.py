"""clef through its own socket, for a box whose node does not ask it: one that is elsewhere.

Its external API (go-ethereum, cmd/clef/README.md): `account_list`, `account_signTransaction`. What
it signs its rules decide, which `scheduler config clef` makes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from scheduler.chain import codec
from scheduler.chain.connection import connect
from scheduler.chain.errors import NodeUnavailable, RpcError
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import Address
from scheduler.errors import NotYet


class Clef:
    """The clef that listens at this socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def accounts(self) -> list[Address]:
        """Its accounts. Raises NotYet where it does not answer, RpcError where it refuses."""
        return [account.lower() for account in await self._ask("account_list")]

    async def sign_transactions(
        self, fields: Sequence[Mapping[str, object]]
    ) -> list[bytes | RpcError]:
        """Raw bytes of each, signed by it, or why it refuses. Raises NotYet as `accounts` does."""
        return await asyncio.gather(*map(self._sign, fields))

    async def _sign(self, fields: Mapping[str, object]) -> bytes | RpcError:
        try:
            answer = await self._ask("account_signTransaction", codec.plain(fields))
        except RpcError as refused:
            return refused
        return codec.octets(answer["raw"])

    async def _ask(self, method: str, *params: Json) -> Json:
        # A connection each time: the socket is local, and nothing is left to be closed.
        connection = connect(str(self._socket))
        try:
            return await connection.request(method, *params)
        except NodeUnavailable as error:
            raise NotYet(
                f"clef does not answer at {error}; start it: supervisorctl start clef, or correct "
                "ipc in [clef] in the configuration"
            ) from error
        finally:
            await connection.close()
