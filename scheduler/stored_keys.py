"""Private keys that are kept elsewhere than in the environment, read once when a program starts.

Whoever may look at a container can read its environment, but not a file of the user's own, or a
store of secrets that only the task's role opens.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import click

from scheduler.errors import Misconfigured
from scheduler.transactions.environment import VARIABLES
from scheduler.transactions.secrets import private_file

KEY = VARIABLES[0]
FILE, ARN = f"{KEY}_FILE", f"{KEY}_ARN"

_RETRY_SECONDS = 2.0
_TIMEOUT_SECONDS = 10

# By the service that an ARN names (AWS General Reference, "Amazon Resource Names").
_STORES = {"ssm": "an encrypted parameter", "secretsmanager": "a secret"}


def with_stored_keys(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with what ACCOUNT_PK_SECRET_FILE or ACCOUNT_PK_SECRET_ARN lead to as
    ACCOUNT_PK_SECRET.

    Waits for a store that cannot be reached. Raises Misconfigured.
    """
    given = [name for name in (KEY, FILE, ARN) if environment.get(name, "").strip()]
    if len(given) > 1:
        raise Misconfigured(f"{' and '.join(given)} are set: leave all but one out")
    if given == [FILE]:
        return {**environment, KEY: _in_file(Path(environment[FILE].strip()))}
    if given == [ARN]:
        return {**environment, KEY: _in_store(environment[ARN].strip())}
    return environment


def _in_file(path: Path) -> str:
    try:
        return private_file(path, f"the file of {FILE}").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # Not the error's own text, which may hold what is in the file.
        raise Misconfigured(f"{FILE}: {path} cannot be read as a text") from error


def _in_store(arn: str) -> str:
    parts = arn.split(":")
    service = parts[2] if len(parts) > 5 and parts[0] == "arn" else None
    if service not in _STORES:
        raise Misconfigured(
            f"{ARN}: write the ARN of an encrypted parameter of Systems Manager (arn:aws:ssm:…) or "
            "of a secret of Secrets Manager (arn:aws:secretsmanager:…)"
        )
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
        )
    except ImportError as error:
        raise Misconfigured(
            f"{ARN} needs AWS's library: {error}; install it: pip install boto3"
        ) from error
    limits = Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
    )
    waits = False
    while True:
        try:
            client = Session(region_name=parts[3]).client(service, config=limits)
            if service == "ssm":
                answer = client.get_parameter(Name=arn, WithDecryption=True)
                return str(answer["Parameter"]["Value"]).strip()
            return str(client.get_secret_value(SecretId=arn)["SecretString"]).strip()
        except (ConnectionError, HTTPClientError) as error:
            if not waits:
                click.echo(f"Waiting for AWS, where the key is: {' '.join(str(error).split())}")
            waits = True
            time.sleep(_RETRY_SECONDS)
        except (BotoCoreError, ClientError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise Misconfigured(
                f"{ARN}: AWS does not give {_STORES[service]} to this program: {reason}; see "
                "whether it is there, and what the task's role may do"
            ) from error
