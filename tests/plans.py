"""Plans made by hand: what a program cannot do without, and all else as if nothing were configured;
`scheduler.plans` makes those of operators from their settings."""

from typing import Any

from scheduler.plan import Plan


def bare_plan(program: str, endpoint: str, journal: str, **changes: Any) -> Plan:
    """A patient program's at this endpoint, with the journal there; `changes` are other values."""
    values = {
        "network": None,
        "contracts": [],
        "account": None,
        "key_file": None,
        "password_file": None,
        "max_gas_price": None,
        "min_tip": 0,
        "budget": {},
        "patient": True,
        **changes,
    }
    return Plan(program=program, endpoint=endpoint, journal=journal, **values)
