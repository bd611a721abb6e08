"""Whether there is a heartbeat, and where it goes: what the environment says of it. Pure.

The variables are those of Money on Chain's own program, which was given AWS_DEFAULT_REGION and a
name, and its credentials as two more variables; a role gives them without any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMESPACE = "MOC/EXCEPTIONS"

NAME = "MOC_JOBS_NAME"
"""What the metric is called."""

REGIONS = ("AWS_DEFAULT_REGION", "AWS_REGION")
"""Where the metric is: the first that is set, as AWS's libraries of all languages read it."""

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

SECRETS = (*KEYS, "AWS_SESSION_TOKEN")
"""What goes no further than to the process that sends the heartbeat."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The metric's `name` and `region`, and the `interval` in seconds at which it is sent.

    `credentials` are variables of SECRETS; empty where AWS's library is to find a role's.
    """

    name: str
    region: str
    interval: float
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class Incomplete(Exception):
    """A heartbeat is wanted, and cannot be sent: the message says what lacks."""


def settings(environment: Mapping[str, str], interval: float) -> Settings | None:
    """What is configured; None where no heartbeat is wanted. Raises Incomplete."""
    name = environment.get(NAME, "").strip()
    if not name:
        return None
    region = next(filter(None, (environment.get(each, "").strip() for each in REGIONS)), None)
    if region is None:
        raise Incomplete(f"{NAME} is set, but no region: set {REGIONS[0]}, or unset {NAME}")
    lacking = [key for key in KEYS if not environment.get(key)]
    if len(lacking) == 1:
        raise Incomplete(
            f"{NAME} is set, but {lacking[0]} is not: set it, or leave out {' and '.join(KEYS)} "
            "where a role gives the credentials"
        )
    given = {key: environment[key] for key in SECRETS if environment.get(key)}
    return Settings(name, region, interval, {} if lacking else given)
