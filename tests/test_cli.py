"""What is typed: options, precedence, and one line for what is wrong with them."""

import os
from pathlib import Path

import pytest

from tests.commands import Running, finished, free_port, refusal

SOMEBODY = "0x00000000000000000000000000000000000000aa"


def config(home: Path, text: str, name: str = "config.toml", mode: int = 0o600) -> str:
    path = home / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_the_known_contracts_are_listed(tmp_path: Path) -> None:
    done = finished(tmp_path, "eth_alarm", "addresses")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["mainnet", "v0.7", "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"],
        ["mainnet", "v0.6", "0xe109ecb193841af9da3110c80fdd365d1c23be2a"],
    ]


@pytest.mark.parametrize("command", ["scheduler", "eth_alarm"])
def test_help_and_version_work_and_nothing_typed_shows_help_with_exit_2(
    tmp_path: Path, command: str
) -> None:
    assert "Usage: " in finished(tmp_path, command, "--help").stdout
    assert command in finished(tmp_path, command, "--version").stdout
    bare = finished(tmp_path, command)
    assert bare.returncode == 2
    assert "Usage: " in bare.stderr


USAGE = {
    "no program": (
        ("scheduler", "run"),
        "Missing argument 'PROGRAM'. Choose from: scheduler, scheduler-liquidation, ",
    ),
    "unknown program": (("scheduler", "run", "geth"), "'geth' is not one of 'scheduler'"),
    "unknown command": (("scheduler", "rnu"), "No such command 'rnu'"),
    "unknown option": (("eth_alarm", "scheduler", "--host", "x"), "No such option"),
    "unknown client": (("eth_alarm", "scheduler", "-c", "http"), "'http' is not one of"),
    "port": (("eth_alarm", "scheduler", "-p", "70000"), "70000 is not in the range"),
    "address": (("eth_alarm", "scheduler", "-a", "0x12"), "--address: write an address: 0x and"),
    "host as URL": (
        ("eth_alarm", "scheduler", "-r", "http://127.0.0.1"),
        "--rpchost: write a host name or an address alone, such as 127.0.0.1",
    ),
    "host that cannot be": (
        ("eth_alarm", "scheduler", "-r", "a..b"),
        "--rpchost, --rpcport or --ipcpath: its host is no host name",
    ),
    "two ways": (
        ("eth_alarm", "scheduler", "-c", "ws", "-i", "/geth.ipc"),
        "--ipcpath goes with --client ipc",
    ),
    "a host for a socket": (
        ("eth_alarm", "scheduler", "-c", "ipc", "-r", "somewhere"),
        "--client ipc takes --ipcpath",
    ),
}


@pytest.mark.parametrize("wrong", USAGE)
def test_wrong_usage_is_one_line_and_exit_2(tmp_path: Path, wrong: str) -> None:
    command, told = USAGE[wrong]
    assert told in refusal(tmp_path, *command)


FILES = {
    "not TOML": ("rpc-url = http", "is not TOML: Invalid value (at line 1, column 11)"),
    "unknown key": ("rpcurl = 'x'", "rpcurl: there is no such key; the top-level ones are network"),
    "unknown key in a table": ("[fees]\ntip = 1", "fees.tip: there is no such key"),
    "wrong type": ("[alarm]\naddresses = 5", "alarm.addresses: write a list, in brackets"),
    "network": ("network = 'main'", "network: write one of mainnet, sepolia"),
    "account": ("account = 'me'", "account: write an address: 0x and 40 hexadecimal digits"),
    "signer": ("signer = 'geth'", "signer: write 'node', 'keystore', 'environment' or 'clef'"),
    "keystore without a table": ("signer = 'keystore'", "needs a table [keystore] with file"),
    "amount": ("[fees]\nmax-gas-price = '50'", 'write an amount with its unit, such as "50 gwei"'),
    "the model's own name": ("rpc_url = '/geth.ipc'", "rpc_url: there is no such key"),
    "relative journal": ("journal = 'journal.db'", "journal: write a whole path, beginning with /"),
}


@pytest.mark.parametrize("wrong", FILES)
def test_a_configuration_that_cannot_be_read_is_one_line_with_its_key_and_exit_2(
    tmp_path: Path, wrong: str
) -> None:
    text, told = FILES[wrong]
    path = config(tmp_path, text + "\n")
    command = ("scheduler", "config", "check", "--config", path)
    line = refusal(tmp_path, *command, SCHEDULER_JOURNAL="")
    assert line.startswith(f"scheduler: {path}")
    assert told in line


def test_all_that_is_wrong_with_jobs_is_told_at_once(tmp_path: Path) -> None:
    """Only the first thing of the first job was."""
    jobs = (
        '[[jobs]]\nname = "a"\ncontract = "0x12"\ncall = "f"\ninterval = -1\n'
        f'[[jobs]]\nname = "b"\ncontract = "{SOMEBODY}"\ncall = "f()"\nwhen = "g"\n'
        "[moc.tasks]\nliquidaton = {}\noracle_poke = { interval = -1 }\n"
    )
    path = config(tmp_path, jobs)
    done = finished(tmp_path, "scheduler", "config", "check", "--config", path)
    assert done.returncode == 2
    told = [line.removeprefix(f"scheduler: {path}: ") for line in done.stderr.splitlines()]
    expected = [
        "moc.tasks.liquidaton: there is no such job",
        "moc.tasks.oracle_poke.interval: write a number of 0 or more",
        "jobs: a: contract: write an address",
        "jobs: a: interval: write a whole number",
        "jobs: a: call: 'f' is no signature",
        "jobs: a: it needs a condition",
        "jobs: b: when: 'g' is no signature",
    ]
    assert len(told) == len(expected)
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected


def test_all_that_is_wrong_in_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    path = config(tmp_path, "network = 'main'\naccount = 'me'\n[fees]\ntip = 1\n")
    done = finished(tmp_path, "scheduler", "config", "check", "--config", path)
    assert done.returncode == 2
    places = [line.split(": ")[2] for line in done.stderr.splitlines()]
    assert places == ["network", "account", "fees.tip"]


@pytest.mark.parametrize(
    "command",
    [
        ("scheduler", "run", "scheduler"),
        ("eth_alarm", "scheduler"),
        ("scheduler", "config", "check"),
    ],
)
def test_every_command_refuses_the_same_file_even_supervised(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    variables = {"SCHEDULER_CONFIG": config(tmp_path, "nonsense = 1\n"), "SUPERVISOR_ENABLED": "1"}
    assert "nonsense: there is no such key" in refusal(tmp_path, *command, **variables)
    missing = str(tmp_path / "missing.toml")
    line = refusal(tmp_path, *command, "--config", missing)
    assert f"{missing} cannot be read: No such file or directory; name the right file" in line


def test_a_configuration_that_can_be_read_is_fine(tmp_path: Path) -> None:
    path = config(tmp_path, f"rpc-url = '{tmp_path}/geth.ipc'\n[fees]\nmin-tip = '0.5 gwei'\n")
    done = finished(tmp_path, "scheduler", "config", "check", "--config", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the configuration is fine\n", "")


SECRET = "s3cr3tk3ys3cr3tk3y"
NO_URLS = [
    f"mainnet.example/v3/{SECRET}",
    f"user:{SECRET}@mainnet.example",
    f"{SECRET}://mainnet.example",
    f"http://user:{SECRET}@:8545",
    f"https://mainnet.example:port/{SECRET}",
    f"https://mainnet.example/{SECRET} ",
    f"https://user:{SECRET}@a..b/",
    f"https://mainnet.example/ö/{SECRET}",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    path = config(tmp_path, f"rpc-url = '{url}'\n")
    line = refusal(tmp_path, "scheduler", "config", "check", "--config", path)
    assert SECRET not in line
    assert "rpc-url: " in line
    line = refusal(tmp_path, "scheduler", "run", "scheduler", SCHEDULER_RPC_URL=url)
    assert SECRET not in line
    assert line.startswith("scheduler: SCHEDULER_RPC_URL: ")


def test_a_file_with_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    text = f"rpc-url = 'https://mainnet.example/v3/{SECRET}'\n"
    path = config(tmp_path, text, mode=0o640)
    line = refusal(tmp_path, "scheduler", "config", "check", "--config", path)
    assert line.endswith(f"run: chmod 600 {path}")
    assert SECRET not in line
    os.chmod(path, 0o600)
    done = finished(tmp_path, "scheduler", "config", "check", "--config", path)
    assert done.returncode == 0
    # Where nothing is secret, everybody may look.
    path = config(tmp_path, "rpc-url = 'ws://127.0.0.1:4445/websocket'\n", mode=0o644)
    assert finished(tmp_path, "scheduler", "config", "check", "--config", path).returncode == 0


def waited_for(home: Path, *command: str, **variables: str) -> str:
    """Which node the command waits for."""
    with Running(home, *command, **variables) as program:
        line = program.saw("Waiting for the node: ")
        assert program.stop() == 0
    return line.partition("Waiting for the node: ")[2].rpartition(": ")[0]


def test_the_option_wins_over_the_variable_and_both_over_the_file(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(4)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    in_option, in_variable = (
        config(tmp_path, f"rpc-url = '{url}'\n", name)
        for url, name in zip(urls, "ab", strict=False)
    )
    command = ("eth_alarm", "scheduler", "-a", SOMEBODY)
    variables = {"SCHEDULER_CONFIG": in_variable}
    assert waited_for(tmp_path, *command, **variables) == urls[1]
    assert waited_for(tmp_path, *command, "--config", in_option, **variables) == urls[0]
    variables["SCHEDULER_RPC_URL"] = urls[2]
    assert waited_for(tmp_path, *command, "--config", in_option, **variables) == urls[2]
    flags = ("-p", str(ports[3]))
    assert waited_for(tmp_path, *command, *flags, "--config", in_option, **variables) == urls[3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-r", "::1", "-p", "1"), "http://[::1]:1"),
        (("-c", "ws", "-r", "127.0.0.1", "-p", "1"), "ws://127.0.0.1:1"),
        (("-i", "here.ipc"), "{home}/here.ipc"),
        (("-c", "ipc"), "{home}/.ethereum/geth.ipc"),
    ],
)
def test_options_say_which_node_is_meant(
    tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    if Path("/data/ethereum/geth.ipc").exists() and expected.endswith("geth.ipc"):
        pytest.skip("this machine has a node in /data, which comes first")
    command = ("eth_alarm", "scheduler", "-a", SOMEBODY)
    assert waited_for(tmp_path, *command, *options) == expected.format(home=tmp_path)
