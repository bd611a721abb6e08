"""What happens to the first of two boxes while the second stands by, and how it is undone."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.boxes.box import Box, Program
from tests.boxes.crew import BETWEEN, WITHIN

Happening = Callable[[Box, Program], None]


def _nothing(_: Box, __: Program) -> None:
    pass


def _go_on(_: Box, program: Program) -> None:
    program.signal(signal.SIGCONT)


@dataclass(frozen=True)
class Harm:
    """`begins` when the box has done a third; `ends` after the second has taken over. Where it
    `stops` itself, nothing else needs to happen to it."""

    name: str
    begins: Happening = _nothing
    ends: Happening = _nothing
    stops: str | None = None

    def __str__(self) -> str:
        return self.name


HARMS = (
    Harm("killed", lambda _, program: program.kill()),
    Harm("stopped", lambda _, program: program.signal(signal.SIGSTOP), _go_on),
    Harm("stopped between commit and send", ends=_go_on, stops=BETWEEN),
    Harm("stopped within the commit", ends=_go_on, stops=WITHIN),
    Harm(
        "cut off from the database",
        lambda box, _: box.database.cut(),
        lambda box, _: box.database.mend(),
    ),
    Harm(
        "database silent",
        lambda box, _: box.database.silence(),
        lambda box, _: box.database.mend(),
    ),
    Harm("cut off from the node", lambda box, _: box.node.cut(), lambda box, _: box.node.mend()),
    Harm("node silent", lambda box, _: box.node.silence(), lambda box, _: box.node.mend()),
)
