"""`scheduler config show` says what is in effect, and no secret."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scheduler.errors import Misconfigured
from scheduler.operations.settings_commands import show


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file with a key in it."""
    path = tmp_path / "config.toml"
    path.write_text(
        'network = "dev"\nrpc-url = "https://node.example/v3/0123456789abcdef0123456789abcdef"\n'
        '[fees]\nmax-gas-price = "50 gwei"\n[box]\nprograms = ["scheduler", "scheduler-prices"]\n'
    )
    path.chmod(0o600)
    return path


def shown(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(show, [*arguments, "--config", str(file)])


def test_every_setting_is_shown_with_its_default_or_value(file: Path) -> None:
    lines = shown(file).output.splitlines()
    assert 'network = "dev"' in lines
    assert 'signer = "node"' in lines
    assert "fees.max-gas-price = 50000000000" in lines
    assert 'box.programs = ["scheduler", "scheduler-prices"]' in lines
    assert not [line for line in lines if "null" in line or "0123456789abcdef" in line]


@pytest.mark.parametrize(
    ("key", "output"),
    [
        ("network", "dev\n"),
        ("account", ""),
        ("fees.max-gas-price", "50000000000\n"),
        ("moc.split", "false\n"),
        ("box.programs", "scheduler\nscheduler-prices\n"),
    ],
)
def test_one_key_is_shown_for_scripts(file: Path, key: str, output: str) -> None:
    assert shown(file, key).output == output


def test_a_key_that_is_not_there_is_refused_with_those_that_are(file: Path) -> None:
    error = shown(file, "fees.tip").exception
    assert isinstance(error, Misconfigured)
    assert "there is no key fees.tip; there are: network, rpc-url," in str(error)
