"""scripts/deploy.sh with AWS's client on moto's server: what is made, and nothing by halves."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.containers.aws import ACCOUNT, REGION, Aws, aws
from tests.containers.base import ROOT
from tests.containers.conftest import ENVIRONMENT, IMAGE, script
from tests.containers.tools import Tools

# AWS's client takes a second of processor time for each of its dozens of calls.
pytestmark = pytest.mark.timeout(600)

KEY = f"/moc_jobs/{ENVIRONMENT}/ACCOUNT_PK_SECRET"
SECRET = "65" * 32
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:operators"


class Operator:
    """Who deploys: has an account of AWS in which all is there that deploy.sh takes for granted."""

    def __init__(self, server: Aws, home: Path) -> None:
        self.server = server
        self.checkout = ROOT
        self.tools = Tools(home, server.environment["PATH"])
        ec2 = server.client("ec2")
        self.environment = {
            **server.environment,
            "PATH": self.tools.path,
            "SUBNETS": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
            "SECURITY_GROUPS": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
        }
        self.ecr, self.ecs, self.ssm, self.logs, self.cloudwatch = map(
            server.client, ("ecr", "ecs", "ssm", "logs", "cloudwatch")
        )
        self.ecr.create_repository(repositoryName=IMAGE)
        self.push("one")
        self.put_key()
        self.ecs.create_cluster(clusterName="moc_jobs")

    def push(self, content: str) -> None:
        """What ECR keeps of a push: a manifest with a tag."""
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": {"digest": content}}
        text = json.dumps({**manifest, "layers": []})
        self.ecr.put_image(repositoryName=IMAGE, imageTag="latest", imageManifest=text)

    def put_key(self, kind: str = "SecureString") -> None:
        self.ssm.put_parameter(Name=KEY, Type=kind, Value=SECRET, Overwrite=True)

    def deploys(self, *arguments: str, **changes: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error; no secret is in any."""
        environment = {**self.environment, "WAIT_SECONDS": "1", **changes}
        deploy = str(self.checkout / "scripts" / "deploy.sh")
        done = script(deploy, *arguments, environment=environment, seconds=100)
        assert SECRET not in done.stdout + done.stderr + str(self.tools.calls())
        return done.returncode, done.stdout, done.stderr

    def refused(self, status: int, **changes: str) -> str:
        """The last line of a deployment that ends so; nothing was made."""
        before = self.made()
        ended, _, errors = self.deploys("-e", ENVIRONMENT, **changes)
        assert ended == status, errors
        (line,) = errors.splitlines()
        assert self.made() == before
        return line

    def service(self) -> dict[str, Any]:
        (service,) = self.ecs.describe_services(cluster="moc_jobs", services=[IMAGE])["services"]
        return dict(service)

    def made(self) -> list[Any]:
        """What a deployment makes, as far as it is there."""
        clusters = self.ecs.list_clusters()["clusterArns"]
        return [
            self.ecs.list_task_definitions()["taskDefinitionArns"],
            [self.ecs.list_services(cluster=each)["serviceArns"] for each in clusters],
            self.cloudwatch.describe_alarms()["MetricAlarms"],
            self.logs.describe_log_groups()["logGroups"],
        ]


@pytest.fixture
def operator(server: Aws, tmp_path: Path) -> Operator:
    return Operator(server, tmp_path)


def test_a_service_is_made_with_all_that_belongs_to_it_and_updated_then(
    operator: Operator,
) -> None:
    status, _, errors = operator.deploys("-e", "ec2_testnet", ALARM_TOPIC=TOPIC)
    assert status == 0, errors
    service = operator.service()
    assert service["launchType"] == "FARGATE"
    assert service["desiredCount"] == service["runningCount"] == 1
    # moto keeps no deployment configuration.
    (making,) = [call for call in operator.tools.calls() if " ecs create-service " in call]
    assert "minimumHealthyPercent=0,maximumPercent=100," in making

    found = operator.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
    task = found["taskDefinition"]
    assert task["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/moc_jobs_task"
    (container,) = task["containerDefinitions"]
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    assert container["image"].startswith(f"{registry}/{IMAGE}@sha256:")
    assert container["secrets"] == [
        {
            "name": "ACCOUNT_PK_SECRET",
            "valueFrom": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{KEY}",
        }
    ]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    assert json.loads(variables["MOC_JOBS_CONFIG"])["networks"].keys() == {"mocTestnet"}
    assert "ACCOUNT_PK_SECRET" not in variables
    assert "{" not in container["logConfiguration"]["options"]["awslogs-region"]
    assert len(operator.made()[3]) == 1

    error, silent = sorted(operator.made()[2], key=lambda alarm: str(alarm["AlarmName"]))
    for alarm in (error, silent):
        assert (alarm["Namespace"], alarm["MetricName"]) == ("MOC/EXCEPTIONS", ENVIRONMENT)
        assert alarm["Dimensions"] == [{"Name": "JOBS", "Value": "Error"}]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]
    assert (error["AlarmName"], error["Statistic"]) == (f"{IMAGE}-error", "Maximum")
    assert (error["Threshold"], error["TreatMissingData"]) == (1.0, "notBreaching")
    assert error["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (silent["AlarmName"], silent["Statistic"]) == (f"{IMAGE}-silent", "SampleCount")
    assert (silent["Period"], silent["TreatMissingData"]) == (300, "breaching")

    operator.push("two")
    # By now it is known where the task runs.
    status, _, errors = operator.deploys("-e", ENVIRONMENT, SUBNETS="", SECURITY_GROUPS="")
    assert status == 0, errors
    assert operator.service()["taskDefinition"] == service["taskDefinition"][:-1] + "2"
    assert [len(part) for part in operator.made()] == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("journal", "tasks", "least"),
    [("postgresql://moc@db.example.net/moc", 2, 50), ("/data/scheduler/journal.db", 1, 0)],
    ids=["database", "file"],
)
def test_a_second_task_stands_by_where_the_journal_is_in_a_database(
    operator: Operator, tmp_path: Path, journal: str, tasks: int, least: int
) -> None:
    operator.checkout = checkout = tmp_path / "checkout"
    for part in ("scripts", "environments"):
        shutil.copytree(ROOT / part, checkout / part)
    file = checkout / "environments" / ENVIRONMENT / "task-definition.json"
    definition = json.loads(file.read_text())
    (container,) = definition["containerDefinitions"]
    container["environment"].append({"name": "SCHEDULER_JOURNAL", "value": journal})
    file.write_text(json.dumps(definition, indent=2))
    # moto runs one task of a service, so the wait for a second one has no end.
    status, _, errors = operator.deploys("-e", ENVIRONMENT)
    assert status == tasks - 1, errors
    assert operator.service()["desiredCount"] == tasks
    (making,) = [call for call in operator.tools.calls() if " ecs create-service " in call]
    assert f"minimumHealthyPercent={least},maximumPercent=100," in making


def test_a_dry_run_shows_what_would_be_registered_and_does_nothing(operator: Operator) -> None:
    status, output, errors = operator.deploys("--dry-run", "-e", ENVIRONMENT)
    assert status == 0
    assert json.loads(output)["family"] == IMAGE
    assert "nothing was done" in errors
    assert operator.made() == [[], [[]], [], []]


def test_what_lacks_is_told_and_a_second_run_goes_through(operator: Operator) -> None:
    operator.ecr.batch_delete_image(repositoryName=IMAGE, imageIds=[{"imageTag": "latest"}])
    assert f"push it first: ./tag_and_push.sh -e {ENVIRONMENT}" in operator.refused(1)
    operator.push("again")
    operator.ssm.delete_parameter(Name=KEY)
    operator.put_key("String")
    assert f"no encrypted parameter {KEY}" in operator.refused(1)
    operator.put_key()
    operator.ecs.delete_cluster(cluster="moc_jobs")
    assert "aws ecs create-cluster --cluster-name moc_jobs" in operator.refused(1)
    operator.ecs.create_cluster(clusterName="moc_jobs")
    assert "set SUBNETS and SECURITY_GROUPS" in operator.refused(2, SUBNETS="")
    assert "Unable to locate credentials" in operator.refused(2, AWS_ACCESS_KEY_ID="")
    assert operator.deploys("-e", ENVIRONMENT)[0] == 0


def test_aws_that_is_away_is_told_in_one_line(operator: Operator) -> None:
    line = operator.refused(2, AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    assert "Could not connect to the endpoint URL" in line


def test_a_service_that_does_not_come_to_run_is_told_with_its_log(tmp_path: Path) -> None:
    with aws(tmp_path, running=0) as server:
        operator = Operator(server, tmp_path)
        stream = {"logGroupName": f"/ecs/{IMAGE}", "logStreamName": "moc_jobs/1"}
        operator.logs.create_log_group(logGroupName=stream["logGroupName"])
        operator.logs.create_log_stream(**stream)
        event = {"timestamp": int(time.time() * 1000) + 60_000, "message": "it ends"}
        operator.logs.put_log_events(**stream, logEvents=[event])
        status, output, errors = operator.deploys("-e", ENVIRONMENT)
    assert status == 1
    assert output == "it ends\n"
    assert errors.splitlines()[-1].startswith(
        f"deploy.sh: {IMAGE} does not run yet, after 1 s; see: "
    )
