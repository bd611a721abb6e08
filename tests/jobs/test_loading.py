"""A job in ten lines of TOML is understood, or refused in one line that says where and why."""

import re
from pathlib import Path

import pytest

from scheduler import toml
from scheduler.jobs.conditions import All, AnyOf, Check, Not, Reading
from scheduler.jobs.declaration import Action, Event, Job
from scheduler.jobs.loading import BadJob, job
from scheduler.transactions.intents import Urgency

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"
CONTRACT = "0x" + "c0" * 20
OTHER = "0x" + "0c" * 20
LEAST = f'name = "j"\ncontract = "{CONTRACT}"\ncall = "act()"\nwhen = "ready()"\n'


def test_the_least_that_a_job_is() -> None:
    ready = Check(Reading(CONTRACT, "ready()"))
    assert job(toml.loads(LEAST)) == Job("j", Action(CONTRACT, "act()"), ready)


def test_everything_that_a_job_may_say() -> None:
    text = f"""
        name = "j"
        contract = "{CONTRACT.upper().replace("X", "x")}"
        call = "act(uint256,bytes32)"
        arguments = [25, "X2"]
        when = {{ any = [{{ not = "idle()" }}, {{ all = ["a()", "b()"] }}] }}
        unless = [{{ view = "peek(uint8)", arguments = [1], word = 1, is = ">", value = 7,
                     contract = "{OTHER}" }}]
        yields = 10
        epoch = "last()"
        proofs = ["Done(uint256)", {{ event = "Paid()", contract = "{OTHER}" }}]
        proving-gas = 100000
        gas-limit = 300000
        urgency = "urgent"
        interval = 15
        max-cost = 1
    """.replace("value = 7,\n                    ", "value = 7,")
    assert job(toml.loads(text)) == Job(
        name="j",
        action=Action(CONTRACT, "act(uint256,bytes32)", (25, "X2")),
        condition=AnyOf(
            (
                Not(Check(Reading(CONTRACT, "idle()"))),
                All((Check(Reading(CONTRACT, "a()")), Check(Reading(CONTRACT, "b()")))),
            )
        ),
        unless=(Check(Reading(OTHER, "peek(uint8)", (1,), 1), ">", 7),),
        yields=10,
        epoch=Reading(CONTRACT, "last()"),
        proofs=(Event(CONTRACT, "Done(uint256)"), Event(OTHER, "Paid()")),
        proving_gas=100_000,
        gas=300_000,
        urgency=Urgency.URGENT,
        interval=15,
        max_cost=1,
    )


def test_the_page_s_example_works() -> None:
    example = re.search(r"```toml\n(\[\[jobs\]\].+?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    [data] = toml.loads(example[1])["jobs"]  # type: ignore[misc]
    assert job(data).action.arguments == (25,)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('name = ""', 'a job: it needs name = "…"'),
        ('contract = "0x12"', "j: contract: write an address"),
        ('call = "act"', "j: call: 'act' is no signature"),
        ("arguments = [1]", r"j: call: act\(\) takes 0 arguments, not 1"),
        ("arguments = 1", "j: arguments: write a list"),
        ("arguments = [1.5]", "j: arguments: write texts, whole numbers"),
        ("when = 5", "j: when: write a view"),
        ('when = { all = ["a()", 5] }', "j: when.all: write a view"),
        ('when = { view = "a()", is = "=" }', "j: when: is: write one of"),
        ('when = { view = "a()", value = "much" }', "j: when: value: write true"),
        ('when = { view = "a()", when = 1 }', "j: when: there is no when"),
        ('when = { view = "a(uint256)" }', "j: when: .* takes 1 arguments, not 0"),
        ('proofs = ["Done"]', "j: proofs: 'Done' is no event"),
        ("epoch = 5", "j: epoch: write a view"),
        ("gas-limit = -1", "j: gas-limit: write a whole number"),
        ("interval = true", "j: interval: write a whole number"),
        ('urgency = "now"', 'j: urgency: write "normal" or "urgent"'),
        ('color = "red"', "j: there is no color"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(line: str, reason: str) -> None:
    key = line.partition(" ")[0]
    rest = [each for each in LEAST.splitlines() if each.partition(" ")[0] != key]
    with pytest.raises(BadJob, match=reason):
        job(toml.loads("\n".join([*rest, line])))
