"""`scheduler config clef`: the signing rules as clef takes them.

clef signs for a node that has no unlocked accounts any more (geth from 1.14.12 on). It decides by
a file of JavaScript (go-ethereum, cmd/clef/rules.md), made here from the rules by which the
schedulers themselves decide what they sign: selector, most value, most gas cost, and recipients
where they are fixed. That a call is proved to be one of the alarm clock's is their part alone.
"""

import json
from collections.abc import Sequence
from importlib import resources
from string import Template

from scheduler.transactions.rules import ANY, OWN_TRANSFER_COST, Rule


def rules_file(rules: Sequence[Rule]) -> str:
    """The text of clef's rule file that allows what these rules allow, and transfers to oneself."""
    template = (resources.files("scheduler.operations") / "clef_rules.js").read_text("utf-8")
    declared = [
        {
            "name": rule.name,
            "selector": f"0x{rule.selector.hex()}",
            "maxValue": str(rule.max_value),
            "maxGasCost": str(rule.max_gas_cost),
            "recipients": None if rule.recipients is ANY else sorted(rule.recipients),
        }
        for rule in rules
    ]
    return Template(template).substitute(
        rules=json.dumps(declared, indent=4), own_transfer_cost=OWN_TRANSFER_COST
    )
