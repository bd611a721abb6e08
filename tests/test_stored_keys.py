"""Keys in a file and in AWS's stores, read by the commands as operators type them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from tests.chain.faults import Cable
from tests.commands import Running, finished, free_port, refusal
from tests.containers.aws import ACCOUNT, REGION, Aws, aws

KEY = PrivateKey(b"\x66" * 32)
SECRET = KEY.to_bytes().hex()
ADDRESS = KEY.public_key.to_address()

PARAMETER = "/moc_jobs/moc-testnet/ACCOUNT_PK_SECRET"
PARAMETER_ARN = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}"

# `account show` tells whose the keys are; there is no node, which it tells as well.
SHOW = ("scheduler", "account", "show")
SIGNER = {"SCHEDULER_SIGNER": "environment"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with aws(tmp_path_factory.mktemp("aws")) as server:
        ssm = server.client("ssm")
        ssm.put_parameter(Name=PARAMETER, Type="SecureString", Value=f"0x{SECRET}\n")
        yield server


def variables(server: Aws, **more: str) -> dict[str, str]:
    """An operator's, without what a command is always given."""
    given = {name: text for name, text in server.environment.items() if name.startswith("AWS_")}
    return {**given, **SIGNER, "SCHEDULER_RPC_URL": f"http://127.0.0.1:{free_port()}", **more}


def key_file(tmp_path: Path, mode: int = 0o600) -> Path:
    path = tmp_path / "key"
    path.write_text(SECRET + "\n")
    path.chmod(mode)
    return path


def test_a_file_of_the_user_s_own_is_read(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    done = finished(tmp_path, *SHOW, **SIGNER, ACCOUNT_PK_SECRET_FILE=str(path))
    assert ADDRESS in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, 0o644)
    line = refusal(tmp_path, "moc_jobs", ACCOUNT_PK_SECRET_FILE=str(path))
    assert line.endswith(f"{path} can be read by others; run: chmod 600 {path}")


def test_a_file_without_a_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    path.write_text("a password")
    line = refusal(tmp_path, "moc_jobs", ACCOUNT_PK_SECRET_FILE=str(path))
    assert "this is no private key" in line
    assert "a password" not in line


def test_two_places_for_one_key_are_refused(tmp_path: Path) -> None:
    given = {"ACCOUNT_PK_SECRET": SECRET, "ACCOUNT_PK_SECRET_ARN": PARAMETER_ARN}
    line = refusal(tmp_path, "moc_jobs", **given)
    assert line == (
        "moc_jobs: ACCOUNT_PK_SECRET and ACCOUNT_PK_SECRET_ARN are set: leave all but one out"
    )


@pytest.mark.parametrize("arn", ["somewhere", "arn:aws:s3:::bucket/key", "arn:aws:ssm"])
def test_what_is_no_arn_of_a_store_is_refused(tmp_path: Path, arn: str) -> None:
    line = refusal(tmp_path, "moc_jobs", ACCOUNT_PK_SECRET_ARN=arn)
    assert line.startswith("moc_jobs: ACCOUNT_PK_SECRET_ARN: write the ARN of ")


def test_an_encrypted_parameter_is_read(server: Aws, tmp_path: Path) -> None:
    given = variables(server, ACCOUNT_PK_SECRET_ARN=PARAMETER_ARN)
    done = finished(tmp_path, *SHOW, **given)
    assert ADDRESS in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_secret_is_read(server: Aws, tmp_path: Path) -> None:
    manager = server.client("secretsmanager")
    arn = manager.create_secret(Name="moc_jobs", SecretString=SECRET)["ARN"]
    done = finished(tmp_path, *SHOW, **variables(server, ACCOUNT_PK_SECRET_ARN=arn))
    assert ADDRESS in done.stdout


def test_what_aws_does_not_give_is_told_with_its_reason(server: Aws, tmp_path: Path) -> None:
    given = variables(server, ACCOUNT_PK_SECRET_ARN=PARAMETER_ARN.replace("testnet", "mainnet"))
    line = refusal(tmp_path, "moc_jobs", **given)
    assert "AWS does not give an encrypted parameter to this program: " in line
    assert "ParameterNotFound" in line
    nobody = {**given, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    assert "Unable to locate credentials" in refusal(tmp_path, "moc_jobs", **nobody)


async def test_a_store_that_is_away_is_waited_for(server: Aws, tmp_path: Path) -> None:
    async with Cable(int(server.url.rpartition(":")[2])).laid() as cable:
        cable.cut()
        given = variables(server, ACCOUNT_PK_SECRET_ARN=PARAMETER_ARN)
        given["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{cable.port}"
        with Running(tmp_path, "moc_jobs", **given) as program:
            await asyncio.to_thread(program.saw, "Waiting for AWS, where the key is: ")
            cable.mend()
            await asyncio.to_thread(program.saw, "Waiting for the node: ")
            environ = await asyncio.to_thread(Path(f"/proc/{program.pid}/environ").read_bytes)
            assert await asyncio.to_thread(program.stop) == 0
    assert SECRET.encode() not in environ
    assert len(program.having("Waiting for AWS")) == 1
