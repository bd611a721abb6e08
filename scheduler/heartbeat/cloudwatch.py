"""AWS CloudWatch, as far as the heartbeat needs it. Nothing else imports AWS's library."""

import sys
from pathlib import Path
from typing import Any

from scheduler.heartbeat.settings import NAMESPACE

DIMENSION = {"Name": "JOBS", "Value": "Error"}

_TIMEOUT_SECONDS = 5

_PINS = Path(__file__).parents[2] / "requirements-aws.txt"


class NotInstalled(Exception):
    """AWS's library is missing; the message names the command that installs it."""


class NotSent(Exception):
    """CloudWatch did not take a value; the message is its reason, or that of AWS's library."""


class CloudWatch:
    """Sends values of one metric. Credentials are found as AWS's library does: in the
    environment, or from the role of the task or the instance."""

    def __init__(self, name: str, region: str) -> None:
        """`name` is the metric's. Raises NotInstalled."""
        try:
            import boto3  # noqa: F401
        except ImportError as error:
            pinned = f"--require-hashes -r {_PINS}"
            what = pinned if _PINS.exists() else "boto3"
            raise NotInstalled(
                f"no heartbeat is sent: {error}; run: {sys.executable} -m pip install {what} "
                "and start the program again"
            ) from error
        self._name = name
        self._region = region
        self._client: Any = None

    def put(self, value: int) -> None:
        """Sends one value; within some 10 seconds it is there or NotSent is raised."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        datum = {
            "MetricName": self._name,
            "Dimensions": [DIMENSION],
            "Unit": "None",
            "Value": value,
        }
        try:
            client = self._client or self._connected()
            client.put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
        except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
            # A client that found no credentials would not look for them again.
            self._client = None
            raise NotSent(" ".join(str(error).split())) from error
        self._client = client

    def _connected(self) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        limits = Config(
            connect_timeout=_TIMEOUT_SECONDS,
            read_timeout=_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1},
        )
        return Session(region_name=self._region).client("cloudwatch", config=limits)
