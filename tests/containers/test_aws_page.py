"""The commands of docs/aws.md that prepare an account, run as they are written there."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.containers.aws import Aws
from tests.containers.base import ROOT

SECRET = "67" * 32


def commands() -> str:
    page = (ROOT / "docs" / "aws.md").read_text()
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", page, re.M | re.S))


def test_they_make_the_roles_the_cluster_and_the_encrypted_key(server: Aws, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "environments" / "iam", tmp_path / "environments" / "iam")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands()],
        cwd=tmp_path,
        env={**server.environment, "AWS_DEFAULT_REGION": "us-west-1"},
        input=SECRET + "\n",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "key").exists()
    ssm = server.client("ssm")
    name = "/moc_jobs/moc-testnet/ACCOUNT_PK_SECRET"
    assert ssm.get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"
    stored = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert stored.strip() == SECRET
    clusters = server.client("ecs").describe_clusters(clusters=["moc_jobs"])["clusters"]
    assert [each["status"] for each in clusters] == ["ACTIVE"]
    assert allowed(server, "task") == {"cloudwatch:PutMetricData"}
    assert "ssm:GetParameters" in allowed(server, "execution")


def allowed(server: Aws, role: str) -> set[str]:
    """What a role's policy allows, each action alone."""
    policy = server.client("iam").get_role_policy(
        RoleName=f"moc_jobs_{role}", PolicyName="moc_jobs"
    )["PolicyDocument"]
    actions = [statement["Action"] for statement in policy["Statement"]]
    return {each for one in actions for each in ([one] if isinstance(one, str) else one)}
