"""A key file is made once, for its owner alone, and opens with the password made with it."""

import json
import os
import stat
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.errors import Misconfigured
from scheduler.operations import keyfiles
from scheduler.transactions.keystore import open_keystore
from tests.commands import finished, free_port, refusal

KEY = PrivateKey(b"\x54" * 32)


def configured(home: Path, text: str) -> str:
    path = home / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_a_new_account_is_made_with_a_light_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    done = finished(tmp_path, "scheduler", "account", "new", str(tmp_path / "keys" / "key.json"))
    assert (done.returncode, done.stderr) == (0, "")
    key_file, password_file = (tmp_path / "keys" / name for name in ("key.json", "key.password"))
    for path in (key_file, password_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    address = open_keystore(key_file, password_file).public_key.to_address()
    assert done.stdout.splitlines()[0] == address
    content = json.loads(key_file.read_text())
    assert (content["crypto"]["kdf"], content["crypto"]["kdfparams"]["n"]) == ("scrypt", 4096)
    assert "0x" + content["address"] == address
    password = password_file.read_text().strip()
    assert len(password) >= 40
    assert password not in done.stdout


def test_what_it_says_to_write_into_the_configuration_works(tmp_path: Path) -> None:
    made = finished(tmp_path, "scheduler", "account", "new")
    config = configured(tmp_path, made.stdout.partition("configuration:\n")[2])
    check = finished(tmp_path, "scheduler", "config", "check", "--config", config)
    assert check.stdout == "the configuration is fine\n"
    address = made.stdout.splitlines()[0]
    shown = finished(tmp_path, "scheduler", "account", "show", "--config", config)
    assert shown.returncode == 0
    key_file = tmp_path / ".config/scheduler-kit/key.json"
    assert shown.stdout.splitlines() == [f"{address}  key file {key_file}  sends"]
    # Where the configuration has it already, nothing is left to be written.
    for path in (key_file, key_file.with_suffix(".password")):
        path.unlink()
    again = finished(tmp_path, "scheduler", "account", "new", "--config", config)
    address = again.stdout.splitlines()[0]
    assert again.stdout.splitlines()[-1] == f"Next: send ether to {address}"


@pytest.mark.parametrize("there", ["key.json", "key.password"])
@pytest.mark.parametrize("what", ["a file", "a link to nowhere"])
def test_nothing_is_ever_overwritten(tmp_path: Path, there: str, what: str) -> None:
    path = tmp_path / there
    if what == "a file":
        path.write_text("what somebody needs")
    else:
        path.symlink_to(tmp_path / "nowhere")
    said = refusal(tmp_path, "scheduler", "account", "new", str(tmp_path / "key.json"))
    assert f"{path} is there already, and is never overwritten" in said
    assert sorted(os.listdir(tmp_path)) == [there]
    assert path.is_symlink() or path.read_text() == "what somebody needs"


def test_two_at_once_do_not_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between the look and the writing."""
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    (tmp_path / "key.json").write_text("the other's")
    with pytest.raises(Misconfigured, match=r"key\.json cannot be made: File exists"):
        keyfiles.make_key_file(tmp_path / "key.json", tmp_path / "key.password")
    assert sorted(os.listdir(tmp_path)) == ["key.json"]
    assert (tmp_path / "key.json").read_text() == "the other's"


def test_where_nothing_can_be_made_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refusal(tmp_path, "scheduler", "account", "new", str(tmp_path / "file" / "key.json"))
    assert "cannot be made: " in said
    assert said.endswith("name another place, or run it as the user of the programs")


def test_the_environment_s_accounts_are_shown_and_their_keys_are_not(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    secret = KEY.to_bytes().hex()
    extra = {"SCHEDULER_RPC_URL": nobody, "ACCOUNT_PK_SECRET": secret}
    show = ("scheduler", "account", "show")
    shown = finished(tmp_path, *show, SCHEDULER_SIGNER="environment", **extra)
    assert shown.returncode == 0
    assert shown.stdout == f"{KEY.public_key.to_address()}  environment  sends\n"
    assert "the node's accounts are not known: " in shown.stderr
    assert secret not in shown.stdout + shown.stderr
    other = finished(tmp_path, *show, **extra)
    assert other.returncode == 1
    assert other.stdout == f"{KEY.public_key.to_address()}  environment\n"
    assert 'none of them sends: signer = "node" has no such account' in other.stderr


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    text = 'signer = "keystore"\n[keystore]\nfile = "/nowhere/key"\npassword-file = "/nowhere/p"\n'
    config = configured(tmp_path, text)
    said = refusal(tmp_path, "scheduler", "account", "show", "--config", config)
    assert "the key file /nowhere/key cannot be read: No such file or directory" in said
    (tmp_path / "key").write_text("[]")
    config = configured(tmp_path, text.replace("/nowhere/key", str(tmp_path / "key")))
    said = refusal(tmp_path, "scheduler", "account", "show", "--config", config)
    assert "does not say of which account it is" in said
