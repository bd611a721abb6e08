"""config.json of moc_jobs: what it takes as it is, and what it refuses, all at once."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.errors import Misconfigured
from scheduler.moc.jobs import TASKS
from scheduler.moc_config import MocConfig, default_file, flattened, load
from scheduler.transactions.environment import EXAMPLE

KEY, OTHER = (PrivateKey(bytes([number]) * 32) for number in (0x61, 0x62))
SECRET = KEY.to_bytes().hex()
ADDRESS = KEY.public_key.to_address()
# With the checksum that wallets of Rootstock show.
MOC = "0xf773B590AF754D597770937fa8eA7ABDf2668370"

ONE_NETWORK: dict[str, Any] = {
    "tasks": {
        "run_settlement": {
            "interval": 15,
            "wait_timeout": 240,
            "gas_limit": 3_500_000,
            "partial_execution_steps": 5,
        },
        "oracle_poke": {"interval": 65, "wait_timeout": 240, "gas_limit": 1_000_000},
    },
    "timeout": 60,
    "gas_price": 64_000_000,
    "networks": {
        "mine": {
            "app_mode": "MoC",
            "uri": ["http://127.0.0.1:4444", "https://public-node.example"],
            "chain_id": 31,
            "accounts": [{"address": ADDRESS, "private_key": "0x" + SECRET}],
            "addresses": {"MoC": MOC, "MoCConverter": ""},
        }
    },
}


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *parents, last = path
        for each in parents:
            data = data[each]
        del data[last]

    return change


def setting(value: Any, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        *parents, last = path
        for each in parents:
            data = data[each]
        data[last] = value

    return change


def loaded(
    tmp_path: Path,
    *changes: Callable[[dict[str, Any]], None],
    network: str | None = "mine",
    mode: int = 0o600,
    **environment: str,
) -> MocConfig:
    data = deepcopy(ONE_NETWORK)
    for change in changes:
        change(data)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(data))
    path.chmod(mode)
    return load(path, network, environment)


def faults(tmp_path: Path, *changes: Any, **more: Any) -> list[str]:
    """The lines, without the file's name; none of them shows a key."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, *changes, **more)
    text = str(refused.value)
    assert SECRET not in text
    return [line.removeprefix(f"{tmp_path / 'config.json'}: ") for line in text.splitlines()]


def test_all_that_the_program_was_given_is_taken_as_it_is(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.endpoints == ("http://127.0.0.1:4444", "https://public-node.example")
    assert (found.chain_id, found.moc, found.gas_price) == (31, MOC.lower(), 64_000_000)
    assert (found.account, found.key) == (ADDRESS, KEY)
    assert found.tasks == {
        "run_settlement": {"interval": 15, "gas": 3_500_000, "steps": 5},
        "oracle_poke": {"interval": 65, "gas": 1_000_000, "steps": 0},
    }
    assert found.remarks == ()


@pytest.mark.parametrize(
    "network",
    [name for name in json.loads(default_file().read_text())["networks"] if name != "local"],
)
def test_the_configuration_beside_the_script_lacks_nothing_but_an_account(network: str) -> None:
    found = load(None, network, {"ACCOUNT_PK_SECRET": SECRET})
    assert found.endpoints == ("http://127.0.0.1:4444",)
    assert found.chain_id == (30 if "Mainnet" in network else 31)
    assert found.key == KEY
    assert found.remarks == ()
    assert {
        name: (task["interval"], task["gas"], task["steps"]) for name, task in found.tasks.items()
    } == {name: (task.interval, task.gas, task.steps) for name, task in TASKS.items()}


def test_the_network_is_that_of_the_testnet_unless_something_says_otherwise() -> None:
    assert load(None, None, {"ACCOUNT_PK_SECRET": SECRET}).network == "mocTestnet"


def test_variables_win_over_the_flags(tmp_path: Path) -> None:
    other = deepcopy(ONE_NETWORK)
    other["networks"]["theirs"] = {**other["networks"].pop("mine"), "chain_id": 30}
    environment = {"MOC_JOBS_CONFIG": json.dumps(other), "MOC_JOBS_NETWORK": "theirs"}
    assert load(tmp_path / "missing.json", "mine", environment).chain_id == 30
    with pytest.raises(
        Misconfigured, match=r"^MOC_JOBS_CONFIG: networks: there is no network mine"
    ):
        load(None, "mine", {"MOC_JOBS_CONFIG": json.dumps(other)})


def test_empty_variables_say_nothing(tmp_path: Path) -> None:
    nothing = {"MOC_JOBS_CONFIG": "", "MOC_JOBS_NETWORK": "", "ACCOUNT_PK_SECRET": " "}
    assert loaded(tmp_path, **nothing).key == KEY


def test_a_key_in_the_environment_wins_over_the_accounts_of_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, ACCOUNT_PK_SECRET_3=OTHER.to_bytes().hex()).key == OTHER


def test_an_account_without_a_key_is_one_that_the_node_has_unlocked(tmp_path: Path) -> None:
    found = loaded(tmp_path, setting([{"address": ADDRESS}], "networks", "mine", "accounts"))
    assert (found.account, found.key) == (ADDRESS, None)


def test_keys_that_are_not_known_are_remarks(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        setting(1, "build_dir"),
        setting({}, "tasks", "liquidaton"),
        setting(1, "tasks", "oracle_poke", "gas"),
        setting(1, "networks", "mine", "ur1"),
    )
    places = [remark.split(": ")[1] for remark in found.remarks]
    expected = ["build_dir", "tasks.oracle_poke.gas", "tasks.liquidaton", "networks.mine.ur1"]
    assert sorted(places) == sorted(expected)
    assert "liquidation" not in found.tasks


WRONG = {
    "tasks.oracle_poke.interval: write a number of 0 or more": setting(
        -1, "tasks", "oracle_poke", "interval"
    ),
    "tasks.run_settlement.gas_limit: write a whole number, without quotes": setting(
        "3500000", "tasks", "run_settlement", "gas_limit"
    ),
    "tasks.run_settlement.partial_execution_steps: write a number greater than 0": setting(
        0, "tasks", "run_settlement", "partial_execution_steps"
    ),
    "tasks: it is missing": without("tasks"),
    "tasks: none of the seven is there": setting({"run": {}}, "tasks"),
    "gas_price: write a whole number, without quotes": setting("64000000", "gas_price"),
    "timeout: write a number greater than 0": setting(0, "timeout"),
    "networks: it is missing": without("networks"),
    "networks: there is no network mine; there are: yours": setting({"yours": {}}, "networks"),
    "networks.mine: write an object, in braces": setting([], "networks", "mine"),
    "networks.mine.app_mode: write 'MoC' or 'RRC20'": setting(
        "DEX", "networks", "mine", "app_mode"
    ),
    "networks.mine.uri: write the URL of a node": setting([], "networks", "mine", "uri"),
    "networks.mine.uri.0: a URL of a node begins with": setting(
        ["ftp://127.0.0.1"], "networks", "mine", "uri"
    ),
    "networks.mine.chain_id: it is missing": without("networks", "mine", "chain_id"),
    "networks.mine.addresses.MoC: it is missing": without("networks", "mine", "addresses", "MoC"),
    "networks.mine.addresses.MoC: write an address": setting(
        "", "networks", "mine", "addresses", "MoC"
    ),
    "networks.mine.accounts: there is no account; set ACCOUNT_PK_SECRET": setting(
        [], "networks", "mine", "accounts"
    ),
    "networks.mine.accounts.0: it has neither an address nor a private_key": setting(
        [{}], "networks", "mine", "accounts"
    ),
    "networks.mine.accounts.0.private_key: this is no private key": setting(
        SECRET + "0", "networks", "mine", "accounts", 0, "private_key"
    ),
    "networks.mine.accounts.0.private_key: write a text, in quotes": setting(
        int(SECRET, 16), "networks", "mine", "accounts", 0, "private_key"
    ),
    "networks.mine.accounts.0: the private_key is not that of the address": setting(
        "0x" + "11" * 20, "networks", "mine", "accounts", 0, "address"
    ),
    f"the account {EXAMPLE} is that of a published example": setting(
        [{"address": EXAMPLE}], "networks", "mine", "accounts"
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_told_with_its_place_in_the_file(tmp_path: Path, line: str) -> None:
    (told,) = faults(tmp_path, WRONG[line])
    assert told.startswith(line)


def test_a_bad_key_is_told_beside_what_is_wrong_with_its_network(tmp_path: Path) -> None:
    """It was told only when all else was right."""
    told = faults(
        tmp_path,
        setting([], "networks", "mine", "uri"),
        setting("hunter2", "networks", "mine", "accounts", 0, "private_key"),
    )
    assert [line.partition(":")[0] for line in told] == [
        "networks.mine.uri",
        "networks.mine.accounts.0.private_key",
    ]
    told = faults(
        tmp_path,
        setting([], "networks", "mine", "uri"),
        setting([], "networks", "mine", "accounts"),
    )
    assert "there is no account" in told[1]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = faults(
        tmp_path,
        setting("64000000", "gas_price"),
        setting(-1, "tasks", "oracle_poke", "interval"),
        setting([], "networks", "mine", "uri"),
        without("networks", "mine", "addresses", "MoC"),
        ACCOUNT_PK_SECRET="hunter2hunter2",
    )
    assert [line.partition(":")[0] for line in told] == [
        "gas_price",
        "tasks.oracle_poke.interval",
        "networks.mine.uri",
        "networks.mine.addresses.MoC",
        "ACCOUNT_PK_SECRET",
    ]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{{"private_key": "{SECRET}",}}', "is not JSON: .*line 1, column"),
        ("", "is not JSON"),
        ("[]", "is no JSON object"),
        ('{"gas_price": ' + "6" * 5_000 + "}", "a number in it is far too long|gas_price: "),
        ('{"a\\nb": 1, "tasks": {}, "networks": {"c\\nd": 1}}', "there is no network"),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_a_text_that_cannot_be_read_is_told_in_whole_lines(
    tmp_path: Path, text: str | bytes, line: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Misconfigured, match=line) as refused:
        load(path, None, {})
    assert all(line.startswith(str(path)) for line in str(refused.value).splitlines())
    assert SECRET not in str(refused.value)


def test_a_file_with_a_key_that_others_can_read_is_refused_also_if_another_one_signs(
    tmp_path: Path,
) -> None:
    other = OTHER.to_bytes().hex()
    (line,) = faults(tmp_path, mode=0o640, ACCOUNT_PK_SECRET=other)
    assert line.endswith(f"can be read by others; run: chmod 600 {tmp_path / 'config.json'}")


def test_a_file_with_the_key_of_a_node_is_kept_private_as_well(tmp_path: Path) -> None:
    uri = ["https://node.example/v1/0123456789abcdef0123456789abcdef"]
    changes = (setting(uri, "networks", "mine", "uri"), without("networks", "mine", "accounts"))
    (line,) = faults(tmp_path, *changes, mode=0o644, ACCOUNT_PK_SECRET=SECRET)
    assert "can be read by others" in line
    assert "0123456789abcdef" not in line


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path) -> None:
    change = without("networks", "mine", "accounts")
    assert loaded(tmp_path, change, mode=0o644, ACCOUNT_PK_SECRET=SECRET).key == KEY


def local(chain_id: int) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["networks"]["local"] = {**data["networks"]["mine"], "chain_id": chain_id}

    return change


def test_the_published_account_is_taken_on_the_local_network_and_nowhere_else(
    tmp_path: Path,
) -> None:
    example = setting([{"address": EXAMPLE}], "networks", "mine", "accounts")
    assert loaded(tmp_path, example, local(1337), network="local").account == EXAMPLE
    (line,) = faults(tmp_path, example, local(30), network="local")
    assert EXAMPLE in line


def test_on_the_local_network_the_node_has_an_account(tmp_path: Path) -> None:
    found = loaded(tmp_path, without("networks", "mine", "accounts"), local(1337), network="local")
    assert (found.account, found.key) == (None, None)


def written(tmp_path: Path, *changes: Callable[[dict[str, Any]], None]) -> Path:
    """The configuration, without a key unless the changes bring one back."""
    data = deepcopy(ONE_NETWORK)
    data["networks"]["mine"]["accounts"] = []
    for change in changes:
        change(data)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(data, indent=2))
    return path


def test_flattened_it_is_one_line_that_says_the_same(tmp_path: Path) -> None:
    path = written(tmp_path)
    line = flattened(path)
    assert "\n" not in line
    assert ": " not in line
    assert load(None, "mine", {"MOC_JOBS_CONFIG": line, "ACCOUNT_PK_SECRET": SECRET}) == load(
        path, "mine", {"ACCOUNT_PK_SECRET": SECRET}
    )


def test_the_configuration_beside_the_script_can_be_flattened() -> None:
    assert json.loads(flattened(default_file())) == json.loads(default_file().read_text())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            setting([{"private_key": SECRET}], "networks", "mine", "accounts"),
            "a private_key is in it, which others would read; leave it out, and give the key "
            "apart, in ACCOUNT_PK_SECRET",
        ),
        (
            setting(["https://user:pass@node.example"], "networks", "mine", "uri"),
            "a uri may hold a password or key, which others would read; write one without, or keep "
            "the whole of MOC_JOBS_CONFIG as a secret",
        ),
        (without("networks", "mine", "addresses", "MoC"), None),
        (setting({}, "networks"), "networks: there is none; write the one that is meant"),
        (setting({}, "tasks"), None),
    ],
    ids=["private key", "password", "no address", "no network", "no task"],
)
def test_what_others_must_not_read_or_would_not_run_is_not_flattened(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], line: str | None
) -> None:
    path = written(tmp_path, change)
    with pytest.raises(Misconfigured) as refused:
        flattened(path)
    (told,) = str(refused.value).splitlines()
    assert told.startswith(f"{path}: ")
    assert SECRET not in told
    assert "pass@" not in told
    if line is not None:
        assert told == f"{path}: {line}"


def test_also_the_published_key_is_not_flattened(tmp_path: Path) -> None:
    """Nobody shall learn to put keys there."""
    published = "0x9e790b185e5b7f11f2924c7b809936866c38ed3ab3f33e0fbd3cfe791c2cdbd6"
    path = written(tmp_path, setting([{"private_key": published}], "networks", "mine", "accounts"))
    with pytest.raises(Misconfigured, match="a private_key is in it"):
        flattened(path)
