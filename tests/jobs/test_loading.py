"""A job in ten lines of TOML is understood, or refused in one line that says where and why."""

import re
from pathlib import Path

import pytest

from scheduler import toml
from scheduler.jobs.conditions import All, AnyOf, Check, Not, Reading
from scheduler.jobs.declaration import ALWAYS, Action, Event, Every, Job
from scheduler.jobs.loading import BadJob, job
from scheduler.transactions.intents import Urgency

ROOT = Path(__file__).parents[2]
PAGE, EXAMPLES = ROOT / "docs" / "jobs.md", ROOT / "examples" / "jobs"
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
        gas-margin = 20
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
        gas_margin=20,
        urgency=Urgency.URGENT,
        interval=15,
        max_cost=1,
    )


def test_what_views_answer_can_be_handed_on() -> None:
    text = f"""
        name = "j"
        contract = "{CONTRACT}"
        when = {{ view = "check(bytes)", arguments = ["0x01"], word = 2 }}
        call = "act(bytes,uint256,address)"
        arguments = [{{ from = "when", word = 1 }}, 7, {{ view = "who()", contract = "{OTHER}" }}]
    """
    declared = job(toml.loads(text))
    checked = Reading(CONTRACT, "check(bytes)", ("0x01",), 1)
    assert declared.action.arguments == (checked, 7, Reading(OTHER, "who()"))
    # Of one answer: it is asked for once.
    assert len({reading.call for reading in declared.readings()}) == 2


def test_a_job_that_is_done_every_so_often_needs_no_condition() -> None:
    least = "\n".join(line for line in LEAST.splitlines() if not line.startswith("when"))
    hourly = job(toml.loads(least + "\nevery = { seconds = 3600 }"))
    assert (hourly.condition, hourly.every) == (ALWAYS, Every(3600, "seconds"))
    both = job(toml.loads(LEAST + "every = { blocks = 5 }"))
    assert both.every == Every(5, "blocks")
    assert both.condition == Check(Reading(CONTRACT, "ready()"))


def test_all_that_is_wrong_with_a_job_is_told_at_once() -> None:
    text = LEAST.replace(CONTRACT, "0x12") + 'proofs = ["Done"]\ninterval = -1\ncolor = "red"'
    with pytest.raises(BadJob) as refused:
        job(toml.loads(text))
    assert [line.split(": ")[1].split()[0] for line in str(refused.value).splitlines()] == [
        "there",
        "contract",
        "interval",
        "proofs",
    ]


def test_the_page_s_examples_are_those_of_the_folder() -> None:
    """They are loaded and run to effect in test_examples."""
    shown = re.findall(r"```toml\n(\[\[jobs\]\].+?)```", PAGE.read_text(), re.DOTALL)
    files = [path.read_text() for path in sorted(EXAMPLES.glob("*.toml"))]
    declared = {text[text.index("[[jobs]]") :] for text in files}
    assert len(shown) >= 3
    assert set(shown) <= declared


def test_the_page_s_condition_works() -> None:
    [text] = re.findall(r"```toml\n(when = .+?)```", PAGE.read_text(), re.DOTALL)
    least = "\n".join(line for line in LEAST.splitlines() if not line.startswith("when"))
    assert len(list(job(toml.loads(f"{least}\n{text}")).readings())) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('name = ""', 'a job: it needs name = "…"'),
        ('name = "a:b"', "a job: name: write letters, digits"),
        ('contract = "0x12"', "j: contract: write an address"),
        ('call = "act"', "j: call: 'act' is no signature"),
        ("arguments = [1]", r"j: call: act\(\) takes 0 arguments, not 1"),
        ("arguments = 1", "j: arguments: write a list"),
        ("arguments = [1.5]", "j: arguments: write texts, whole numbers"),
        ("when = 5", "j: when: write a view"),
        ('when = { all = ["a()", 5] }', "j: when.all: write a view"),
        ("when = { any = [] }", "j: when: any: write at least one"),
        ("every = 5", "j: every: write { seconds = 3600 }"),
        ("every = { minutes = 5 }", "j: every: there is no minutes"),
        ("every = { blocks = 0 }", "j: every: blocks: write a whole number of 1 or more"),
        ('arguments = [{ from = "epoch" }]', 'j: arguments: from: write "when"'),
        ('arguments = [{ view = "a" }]', "j: arguments: 'a' is no signature"),
        ('when = { view = "a()", is = "=" }', "j: when: is: write one of"),
        ('when = { view = "a()", value = "much" }', "j: when: value: write true"),
        ('when = { view = "a()", when = 1 }', "j: when: there is no when"),
        ('when = { view = "a(uint256)" }', "j: when: .* takes 1 arguments, not 0"),
        ('proofs = ["Done"]', "j: proofs: 'Done' is no event"),
        ("epoch = 5", "j: epoch: write a view"),
        ("gas-limit = -1", "j: gas-limit: write a whole number of 21,000 or more"),
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
