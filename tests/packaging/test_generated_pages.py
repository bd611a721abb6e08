"""Generated pages say what the code says: they fail here when either was changed alone."""

from pathlib import Path

import pytest

from docs.generator import commands, options, pages, states
from scheduler.config import Settings
from scheduler.transactions import states as tables
from scheduler.transactions.states import AttemptState, IntentState

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(pages.all_pages()))
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text() == pages.all_pages()[name], "run: scripts/docs"


def test_a_key_without_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(options.WORDS, "fees.min-tip")
    with pytest.raises(ValueError, match=r"says nothing of fees\.min-tip"):
        options.sections()


def test_words_without_a_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(options.WORDS, "fees.maximum", options.WORDS["fees.min-tip"])
    with pytest.raises(ValueError, match=r"there is no key fees\.maximum"):
        options.sections()


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("fees.min-tip", ["Default: `0`", "Takes an amount"]),
        ("journal-keep-days", ["Default: `90`", "Takes a whole number, 7 or more."]),
        ("alarm.max-at-risk-per-day", ['Default: `"0.05 ether"`']),
        ("alarm.cleanup", ["Default: `true`", "Takes `true` or `false`."]),
        ("signer", ['Takes `"node"`, `"keystore"`, `"environment"` or `"clef"`.']),
        ("budget.slots", ["Default: 64 with geth", "Takes a whole number, 1 or more."]),
        ("signing.recipients", ["Takes a list; each: an address."]),
        ("box.programs", ['Default: `["scheduler"]`']),
    ],
)
def test_defaults_and_bounds_are_the_models(key: str, lines: list[str]) -> None:
    fields = dict(options.keys(Settings))
    text = options._option(key, fields[key])
    assert all(f"- {line}" in text for line in lines), text


def test_every_command_is_told_with_its_options() -> None:
    told = "".join(commands.sections().values())
    for command in ("scheduler run", "scheduler journal show", "scheduler dev schedule",
                    "eth_alarm scheduler", "moc_jobs"):  # fmt: skip
        assert f"### `{command}`\n" in told
    assert "| `-p, --rpcport INTEGER RANGE` |" in told


def test_a_step_that_is_added_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    before = states.sections()
    assert "expired --> [*]" in before["states:intent"]
    more = {
        **tables._STEPS,
        AttemptState.FINAL: frozenset({AttemptState.REPLACED}),
        IntentState.EXPIRED: frozenset({IntentState.PLANNED}),
    }
    monkeypatch.setattr(tables, "_STEPS", more)
    after = states.sections()
    assert "final --> replaced" in after["states:attempt"]
    assert "expired --> planned" in after["states:intent"]
    assert "expired --> [*]" not in after["states:intent"]
