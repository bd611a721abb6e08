"""provision/aws/launch.sh with AWS's client on moto's server: what it makes, what it refuses."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.aws import REGION, Aws, aws
from tests.containers.tools import Tools

# AWS's client takes a second of processor time for each of its dozens of calls.
pytestmark = pytest.mark.timeout(2400)

LAUNCH = Path("provision/aws/launch.sh").absolute()
CANONICAL = "099720109477"
SOURCE = "https://git.example/scheduler-kit.git"
GIVEN = ("--key-name", "mine", "--ssh-from", "192.0.2.7", "--source", SOURCE)
NOBLE = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{}-server-2026{}"


def images(directory: Path) -> Path:
    """The images that moto's server has of Canonical's, as it reads them (MOTO_AMIS_PATH)."""
    file = directory / "images.json"
    rows = [("amd64", "x86_64", "0401"), ("amd64", "x86_64", "0901"), ("arm64", "arm64", "0901")]
    common = {
        "owner_id": CANONICAL, "public": True, "virtualization_type": "hvm", "state": "available",
        "root_device_name": "/dev/sda1", "root_device_type": "ebs", "hypervisor": "xen",
        "image_type": "machine", "platform": None, "description": "", "image_location": "",
        "sriov": "simple",
    }  # fmt: skip
    listed = [
        {
            **common, "ami_id": f"ami-{word}{date}", "name": NOBLE.format(word, date),
            "architecture": architecture,
            "creation_date": f"2026-{date[:2]}-{date[2:]}T00:00:00.000Z",
        }
        for word, architecture, date in rows
    ]  # fmt: skip
    file.write_text(json.dumps(listed))
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """AWS, without anything."""
    home = tmp_path_factory.mktemp("aws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_AMIS_PATH", str(images(home)))
        with aws(home) as server:
            yield server


class Operator:
    """Who launches: an account of AWS with a key pair, and nothing else."""

    def __init__(self, server: Aws, home: Path) -> None:
        server.forget()
        self.tools = Tools(home, server.environment["PATH"])
        self.environment = {
            **server.environment, "PATH": self.tools.path, "AWS_REGION": REGION
        }  # fmt: skip
        self.ec2, self.iam = server.client("ec2"), server.client("iam")
        self.ec2.create_key_pair(KeyName="mine")

    def launches(self, *options: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        done = subprocess.run(
            [LAUNCH, *options],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def refused(self, *options: str) -> str:
        status, said, errors = self.launches(*options)
        assert (status, said) == (2, ""), errors
        return errors

    def instance(self) -> dict[str, Any]:
        [reservation] = self.ec2.describe_instances()["Reservations"]
        [instance] = reservation["Instances"]
        return dict(instance)

    def user_data(self) -> str:
        found = self.ec2.describe_instance_attribute(
            InstanceId=self.instance()["InstanceId"], Attribute="userData"
        )
        return base64.b64decode(found["UserData"]["Value"]).decode()


@pytest.fixture
def operator(server: Aws, tmp_path: Path) -> Operator:
    return Operator(server, tmp_path)


def test_a_box_has_its_volume_its_ports_and_its_role_and_no_more(operator: Operator) -> None:
    status, _, said = operator.launches("--network", "hoodi", *GIVEN, "--", "--autostart")
    assert status == 0, said
    instance = operator.instance()
    assert instance["InstanceType"] == "m6a.large"
    # The newest of the architecture.
    assert instance["ImageId"] == "ami-amd640901"
    assert f"launched {instance['InstanceId']}" in said

    [volume] = operator.ec2.describe_volumes(
        Filters=[{"Name": "attachment.device", "Values": ["/dev/sdb"]}]
    )["Volumes"]
    assert (volume["Size"], volume["Encrypted"], volume["VolumeType"]) == (200, True, "gp3")
    devices = {each["DeviceName"]: each["Ebs"] for each in instance["BlockDeviceMappings"]}
    assert devices["/dev/sdb"]["DeleteOnTermination"] is False
    assert devices["/dev/sda1"]["DeleteOnTermination"] is True
    assert f"the volume {volume['VolumeId']} stays when the instance is terminated" in said

    [group] = operator.ec2.describe_security_groups(
        GroupIds=[each["GroupId"] for each in instance["SecurityGroups"]]
    )["SecurityGroups"]
    let_in = {
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"],
         *(each["CidrIp"] for each in rule["IpRanges"]))
        for rule in group["IpPermissions"]
    }  # fmt: skip
    peers = {(way, port, port, "0.0.0.0/0") for way in ("tcp", "udp") for port in (30303, 9000)}
    assert let_in == peers | {("tcp", 22, 22, "192.0.2.7/32")}

    [asked] = [call for call in operator.tools.calls() if " run-instances " in call]
    assert "HttpTokens=required" in asked
    policy = operator.iam.get_role_policy(RoleName="scheduler", PolicyName="scheduler")
    allowed = [rule["Action"] for rule in policy["PolicyDocument"]["Statement"]]
    assert allowed == ["cloudwatch:PutMetricData"]
    trusted = operator.iam.get_role(RoleName="scheduler")["Role"]["AssumeRolePolicyDocument"]
    assert trusted["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    profile = operator.iam.get_instance_profile(InstanceProfileName="scheduler")
    assert instance["IamInstanceProfile"]["Arn"] == profile["InstanceProfile"]["Arn"]

    data = operator.user_data()
    assert data.startswith("#cloud-config\n")
    values = re.findall(r"(?m)^ {6}([A-Z]+=.*)$", data)
    revision = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    assert values == [
        f"SOURCE={SOURCE}", f"REVISION={revision}",
        'OPTIONS="--network hoodi --node geth --device /dev/xvdb --autostart"', "OPERATOR=ubuntu",
    ]  # fmt: skip

    assert "there is an instance scheduler already, i-" in operator.refused(
        "--network", "hoodi", *GIVEN
    )


def test_a_volume_that_was_kept_is_used_again(operator: Operator) -> None:
    zones = operator.ec2.describe_availability_zones()["AvailabilityZones"]
    zone = zones[-1]["ZoneName"]
    kept = operator.ec2.create_volume(AvailabilityZone=zone, Size=300)["VolumeId"]
    status, _, said = operator.launches("--network", "hoodi", *GIVEN, "--volume", kept)
    assert status == 0, said
    [volume] = operator.ec2.describe_volumes(VolumeIds=[kept])["Volumes"]
    assert volume["Attachments"][0]["InstanceId"] == operator.instance()["InstanceId"]
    assert volume["Attachments"][0]["Device"] == "/dev/sdb"
    assert f"the volume {kept} stays" in said


def test_a_dry_run_makes_nothing_and_prints_the_user_data(operator: Operator) -> None:
    options = ("--network", "sepolia", "--node", "none", *GIVEN, "--type", "t4g.micro", "--dry-run")
    node = ("--rpc-url", "wss://node.example:8546")
    status, printed, said = operator.launches(*options, "--", *node)
    assert status == 0, said
    assert (
        "--network sepolia --node none --device /dev/xvdb --rpc-url wss://node.example" in printed
    )
    # Of ARM, and with the smallest volume.
    assert "t4g.micro with ami-arm640901" in said
    assert "a volume of 1 GB" in said
    assert operator.ec2.describe_instances()["Reservations"] == []
    assert [call for call in operator.tools.calls() if " create-" in call] == []


def test_what_cannot_be_is_refused_before_anything_is_made(operator: Operator) -> None:
    hoodi = ("--network", "hoodi")
    assert "name a network: --network mainnet|" in operator.refused()
    assert "name the key pair" in operator.refused(*hoodi)
    for anywhere in ("", "0.0.0.0/0", "everywhere"):
        line = operator.refused(*hoodi, "--key-name", "mine", "--ssh-from", anywhere)
        assert "say from which IPv4 address, or block of at most /8, SSH is let in" in line
    assert "hoodi with node geth needs 200 GB" in operator.refused(*hoodi, *GIVEN, "--disk", "16")
    line = operator.refused(*hoodi, *GIVEN, "--source", "https://me:secret@git.example/kit.git")
    assert "without a password: --source URL" in line
    node = ("--node", "none", "--", "--rpc-url", "https://node.example/v3/0123456789abcdef")
    line = operator.refused(*hoodi, *GIVEN, *node)
    assert "the path of a node's URL may be a key" in line
    assert "0123456789abcdef" not in line
    line = operator.refused(*hoodi, *GIVEN, "--key-name", "another")
    assert "there is no key pair another in us-west-1" in line
    made = [call for call in operator.tools.calls() if " create-" in call or " run-" in call]
    assert made == []
