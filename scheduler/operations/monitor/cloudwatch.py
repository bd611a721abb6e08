"""Sends one value to AWS's CloudWatch, as standard input says: a process of its own, since AWS's
library takes 50 MiB, and for the moment alone in which something is to be told."""

import json
import sys

_TIMEOUT_SECONDS = 10


def main() -> None:
    order = json.load(sys.stdin)
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        sys.exit(f"{error}: install the extra aws, see docs/aws.md")
    limits = Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 2},
    )
    dimensions = [{"Name": name, "Value": value} for name, value in order["dimensions"].items()]
    datum = {
        "MetricName": "alert",
        "Dimensions": dimensions,
        "Unit": "None",
        "Value": order["value"],
    }
    try:
        client = Session(region_name=order["region"]).client("cloudwatch", config=limits)
        client.put_metric_data(Namespace=order["namespace"], MetricData=[datum])
    except (BotoCoreError, ClientError, ValueError) as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
