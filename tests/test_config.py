"""One settings model: what it takes, what it refuses, and that its page says the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from scheduler import config, toml
from scheduler.config import Settings, fields, load, model
from scheduler.errors import Misconfigured
from scheduler.networks import networks
from scheduler.plans import plan_of
from scheduler.transactions.journal import Remote

# Tables whose keys need one another.
WHOLE = {
    "keystore": ("file", "password-file"),
    "monitor.email": ("server", "sender", "to", "user", "password-file"),
    "monitor.cloudwatch": ("region",),
}

# Tables whose keys need one another.
WHOLE = {
    "keystore": ("file", "password-file"),
    "monitor.email": ("server", "sender", "to", "user", "password-file"),
    "monitor.cloudwatch": ("region",),
}

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of all keys."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        sections = [
            each
            for each in (field.annotation, *get_args(field.annotation))
            if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        if sections:
            yield from keys(sections[0], f"{key}.")
        else:
            yield key


def described() -> dict[str, str]:
    """What the page says, by key."""
    _, *parts = re.split(r"^### `(.+)`$", PAGE.read_text(), flags=re.MULTILINE)
    bodies = [re.split(r"^## ", body, flags=re.MULTILINE)[0] for body in parts[1::2]]
    return dict(zip(parts[::2], bodies, strict=True))


def written(tmp_path: Path, text: str, **environment: str) -> Settings:
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return load(path, environment)


def test_the_page_describes_every_key_and_no_other() -> None:
    assert sorted(described()) == sorted(keys(Settings))


@pytest.mark.parametrize("key", sorted(keys(Settings)))
def test_the_page_gives_each_key_a_default_and_an_example_that_works(
    tmp_path: Path, key: str
) -> None:
    text = described()[key]
    assert "- Default: " in text
    example = re.search(r"^- Example: `(.+)`$", text, re.MULTILINE)
    assert example is not None
    table, _, name = key.rpartition(".")
    assert list(toml.loads(example[1])) == [name]
    whole = f"[{table}]\n{example[1]}\n" if table else f"{example[1]}\n"
    if table in WHOLE:
        whole = f"[{table}]\n" + "".join(
            f"{re.search('^- Example: `(.+)`$', described()[each], re.MULTILINE)[1]}\n"  # type: ignore[index]
            for each in dict.fromkeys([*(f"{table}.{name}" for name in WHOLE[table]), key])
        )
    if key == "journal-password-file":
        whole += "journal = 'postgresql://scheduler@db.example/scheduler'\n"
    if key == "signer":
        whole += "[keystore]\nfile = '/key'\npassword-file = '/password'\n"
    assert written(tmp_path, whole) != Settings()


def test_the_page_names_every_network_and_variable() -> None:
    text = described()["network"]
    assert all(re.search(rf"\b{name}\b", text) for name in networks())
    assert set(re.findall(r"`(SCHEDULER_\w+)`", PAGE.read_text())) == {
        *config.ENVIRONMENT.values(),
        "SCHEDULER_CONFIG",
    }


def test_the_whole_file_on_the_page_can_be_read(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.+?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    settings = written(tmp_path, example[1])
    assert settings.keystore is not None
    assert settings.fees.max_gas_price == 50 * 10**9


def test_without_anything_a_local_node_signs_with_its_first_account() -> None:
    settings = load(None, {"SCHEDULER_CONFIG": ""})
    assert settings.rpc_url == ("http://127.0.0.1:8545",)
    assert (settings.signer, settings.account, settings.alarm.addresses) == ("node", None, ())


def test_variables_win_over_the_file_and_empty_ones_say_nothing(tmp_path: Path) -> None:
    text = "network = 'mainnet'\njournal = '/one/journal.db'\n"
    variables = {"SCHEDULER_NETWORK": "sepolia", "SCHEDULER_JOURNAL": ""}
    settings = written(tmp_path, text, **variables)
    assert (settings.network, settings.journal) == ("sepolia", Path("/one/journal.db"))


def test_a_journal_may_be_in_a_database(tmp_path: Path) -> None:
    """What is for this box alone stays where it is by default."""
    url = "postgresql://scheduler@one,two:5433/journal?sslmode=verify-full"
    text = f"journal = '{url}'\njournal-password-file = '/etc/password'\n"
    settings = written(tmp_path, text)
    without = Settings().journal_file()
    assert settings.journal_location() == Remote(url, without.parent, Path("/etc/password"))
    assert settings.journal_file() == without
    assert settings.with_overrides(account="0x" + "a" * 40).journal == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'postgresql://scheduler:hush@box/journal'", "holds no password"),
        ("'postgresql://scheduler@box/journal?password=hush'", "holds no password"),
        # To libpq these are passwords, though other readers of URLs see none.
        ("'postgresql://scheduler:h#hush@box/journal'", "holds no password"),
        ("'postgresql://scheduler:h?hush@box/journal'", "holds no password"),
        ("'postgresql://scheduler:h/hush@box/journal'", "holds no password"),
        ("'postgresql://scheduler@box/journal?user=a#&password=hush'", "holds no password"),
        ("'postgresql://box/my hush'", "holds no blanks"),
        ("'postgresql://[hush/journal'", "write postgresql://USER@HOST/DATABASE"),
        ("'mysql://hush@box/journal'", "begins with postgresql://"),
        ("'hush.db'", "write a whole path"),
        ("7", "write a text, in quotes"),
    ],
)
def test_a_journal_that_cannot_be_is_told_without_what_was_written(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(Misconfigured, match=words) as refused:
        written(tmp_path, f"journal = {text}\n")
    assert ": journal: " in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_password_file_without_a_database_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is for a journal in a PostgreSQL database"):
        written(tmp_path, "journal-password-file = '/etc/password'\n")


def test_an_error_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^SCHEDULER_ACCOUNT: write an address"):
        written(tmp_path, "network = 'mainnet'\n", SCHEDULER_ACCOUNT="me")


def test_the_command_line_wins_and_leaves_the_rest() -> None:
    settings = load(None, {"SCHEDULER_NETWORK": "sepolia"})
    changed = settings.with_overrides(rpc_url="ws://127.0.0.1:1", alarm=None)
    assert (changed.network, changed.rpc_url) == ("sepolia", ("ws://127.0.0.1:1",))
    assert changed.alarm == settings.alarm


@given(
    number=st.decimals(min_value=0, max_value=10**6, places=9),
    unit=st.sampled_from(["gwei", "ether"]),
)
def test_an_amount_is_exact(number: object, unit: str) -> None:
    wei = fields.wei(f"{number:f} {unit}")
    assert wei == int(f"{number:f}".replace(".", "")) * (1 if unit == "gwei" else 10**9)


@pytest.mark.parametrize("amount", ["'50'", "'-1 gwei'", "'0.5 wei'", "1.5", "true", "'1 finney'"])
def test_what_is_no_amount_is_refused(tmp_path: Path, amount: str) -> None:
    with pytest.raises(Misconfigured, match=r"fees\.min-tip: "):
        written(tmp_path, f"[fees]\nmin-tip = {amount}\n")


def test_a_home_directory_is_meant_by_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = written(tmp_path, "journal = '~/journal.db'\nrpc-url = '~/geth.ipc'\n")
    assert settings.journal == tmp_path / "journal.db"
    assert settings.rpc_url == (str(tmp_path / "geth.ipc"),)


def test_the_journal_is_on_the_box_s_volume_where_there_is_one_else_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(model, "BOX_DATA", tmp_path / "data")
    at_home = tmp_path / "home/.local/share/scheduler-kit/journal.db"
    assert Settings().journal_path() == at_home
    assert at_home.parent.is_dir()
    (tmp_path / "data").mkdir()
    assert Settings().journal_path() == tmp_path / "data" / "journal.db"


def test_a_home_in_which_nothing_can_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(model, "BOX_DATA", tmp_path / "data")
    with pytest.raises(Misconfigured, match=r"cannot be made: Not a directory; name another"):
        Settings().journal_path()


def test_the_directory_of_a_configured_journal_is_not_made(tmp_path: Path) -> None:
    """On a mount point it would be another journal, which does not know what was sent."""
    settings = written(tmp_path, f"journal = '{tmp_path}/volume/journal.db'\n")
    assert settings.journal_path() == tmp_path / "volume" / "journal.db"
    assert not (tmp_path / "volume").exists()


NODES = ("https://a.example/v3", "wss://b.example:1/x", "/data/my node/geth.ipc", "~/geth.ipc")


def test_several_nodes_are_a_list_and_in_the_environment_have_blanks_between_them(
    tmp_path: Path,
) -> None:
    meant = (*NODES[:3], str(Path("~/geth.ipc").expanduser()))
    assert written(tmp_path, f"rpc-url = {json.dumps(NODES)}\n").rpc_url == meant
    assert written(tmp_path, "", SCHEDULER_RPC_URL="  ".join(NODES)).rpc_url == meant
    plan = plan_of("scheduler", written(tmp_path, f"rpc-url = {json.dumps(NODES)}\n"), True)
    assert (plan.endpoint, *plan.fallbacks) == meant


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("[]", "write the URL of a node; of several"),
        ('["http://a.example", "b.example"]', "rpc-url: number 2: write http://, https://"),
        ('["http://a.example", "http://a.example"]', "the same node is there twice"),
        ("5", "rpc-url: write a list, in brackets"),
        ("[5]", "rpc-url.0: write a text, in quotes"),
    ],
)
def test_what_is_wrong_with_a_list_of_nodes_is_told(tmp_path: Path, value: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(told)):
        written(tmp_path, f"rpc-url = {value}\n")


def test_a_key_of_any_node_makes_the_file_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('rpc-url = ["http://a.example", "http://b.example/0123abcd"]\n')
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match=f"chmod 600 {path}"):
        load(path, {})
