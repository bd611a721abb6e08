"""build.sh and tag_and_push.sh as operators type them: what was done, and what they refuse."""

import os
from pathlib import Path

import pytest

from tests.commands import free_port
from tests.containers.aws import ACCOUNT, REGION, Aws
from tests.containers.base import storage
from tests.containers.conftest import ENVIRONMENT, IMAGE, needs_root, script
from tests.containers.engine import Engine
from tests.containers.registry import registry
from tests.containers.tools import Tools

# Making the image is part of the first test's time.
pytestmark = pytest.mark.timeout(900)

TOKEN = f"{ACCOUNT}-auth-token"


def test_building_says_for_what_and_with_which_engine(made: Path) -> None:
    """docker's client is there, and does not answer."""
    said = (made / "build.log").read_text()
    assert (
        "== moc-testnet: moc-testnet.moneyonchain.com, network mocTestnet, contracts of the "
        "generation MoC" in said
    )
    assert f"== building {IMAGE} with buildah" in said
    assert f"push it: ./tag_and_push.sh -e {ENVIRONMENT}" in said


def test_pushing_logs_in_without_telling_anybody_the_password(made: Path) -> None:
    said = (made / "push.log").read_text()
    calls = (made / "calls").read_text()
    assert "--password-stdin" in calls
    for text in (said, calls, (made / "logins").read_text()):
        assert TOKEN not in text
        assert "QVdTOj" not in text, "AWS:… in base64, as the file of logins has it"


def test_pushing_asks_aws_for_no_more_than_it_needs(made: Path) -> None:
    asked = [line for line in (made / "calls").read_text().splitlines() if line.startswith("aws ")]
    wanted = ("sts get-caller-identity", "ecr describe-repositories", "ecr create-repository")
    for each in (*wanted, "ecr get-login-password"):
        assert sum(f" {each}" in line for line in asked) == 1, each
    assert f"creating the repository {IMAGE} in {REGION}" in (made / "push.log").read_text()


def test_the_tags_are_the_commit_the_version_and_the_latest_in_this_order(made: Path) -> None:
    lines = (made / "push.log").read_text().splitlines()
    tags = [line.rpartition(":")[2] for line in lines if line.startswith("== pushed ")]
    commit, *others = tags
    assert others == ["0.1.0", "latest"]
    assert commit


class Builder:
    """Who pushes: with an account of AWS, and a storage of images."""

    def __init__(self, server: Aws, home: Path) -> None:
        needs_root()
        self.server = server
        self.tools = Tools(home, server.environment["PATH"])
        self.environment = {
            **storage(home / "storage"),
            **server.environment,
            "PATH": self.tools.path,
        }

    def build(self) -> None:
        """An image as build.sh leaves it, with nothing in it."""
        engine = Engine(self.environment)
        container = engine.buildah("from", "scratch")
        for label, text in (("version", "0.1.0"), ("revision", "0123456789ab")):
            named = f"org.opencontainers.image.{label}={text}"
            engine.buildah("config", "--label", named, container)
        engine.buildah("commit", "--quiet", "--rm", container, IMAGE)

    def pushes(self, **changes: str) -> tuple[int, list[str]]:
        """Exit status, and what standard error has besides the progress."""
        environment = {**self.environment, **changes}
        done = script("scripts/tag_and_push.sh", "-e", ENVIRONMENT, environment=environment)
        assert TOKEN not in done.stdout + done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("== ")]
        return done.returncode, lines

    def repositories(self) -> list[str]:
        found = self.server.client("ecr").describe_repositories()["repositories"]
        return [str(each["repositoryName"]) for each in found]


def test_what_stands_in_the_way_of_a_push_is_told_and_a_second_run_goes_through(
    server: Aws, tmp_path: Path
) -> None:
    builder = Builder(server, tmp_path)
    away = f"127.0.0.1:{free_port()}"
    status, (line,) = builder.pushes(REGISTRY=away)
    assert status == 1
    assert line.endswith(f"there is no image {IMAGE}: build it first: ./build.sh -e {ENVIRONMENT}")
    builder.build()
    status, (line,) = builder.pushes(REGISTRY=away, AWS_SECRET_ACCESS_KEY="")
    assert status == 2
    assert "Partial credentials" in line or "Unable to locate credentials" in line
    assert builder.repositories() == []
    status, lines = builder.pushes(REGISTRY=away)
    assert status == 1
    assert lines[-1].startswith(f"tag_and_push.sh: {away} does not let us in (see above)")
    with registry(tmp_path) as address:
        assert builder.pushes(REGISTRY=address) == (0, [])
        assert builder.pushes(REGISTRY=address) == (0, []), "what is there already does no harm"
    assert builder.repositories() == [IMAGE]
    asked = [call for call in builder.tools.calls() if " ecr create-repository " in call]
    assert len(asked) == 1


def test_where_nothing_is_told_the_registry_is_the_account_s_own(
    server: Aws, tmp_path: Path
) -> None:
    """It cannot be reached from here; the region is that of AWS's configuration."""
    builder = Builder(server, tmp_path)
    builder.build()
    (tmp_path / "config").write_text("[default]\nregion = eu-west-3\n")
    environment = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    own = f"{ACCOUNT}.dkr.ecr.eu-west-3.amazonaws.com"
    status, lines = builder.pushes(**environment, HTTPS_PROXY="http://127.0.0.1:1")
    assert status == 1
    assert lines[-1].startswith(f"tag_and_push.sh: {own} does not let us in")


ENVIRONMENT_OF_NOBODY = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.mark.parametrize("name", ["build.sh", "tag_and_push.sh", "scripts/deploy.sh"])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "give an environment with -e; there are: moc-alphatestnet (ec2_alphatestnet) "),
        (("-e",), "-e needs the name of an environment"),
        (("-e", "nope"), "there is no environment 'nope'; there are: moc-alphatestnet "),
        (("-e", ""), "give an environment with -e; there are: "),
        (("-e", "*"), "there is no environment '*'; there are: "),
        (("-x",), "there is no option -x; usage: -e ENVIRONMENT"),
        (("-e", "moc-testnet", "now"), "what is now? usage: -e ENVIRONMENT"),
    ],
    ids=lambda each: " ".join(each) or "nothing" if isinstance(each, tuple) else "",
)
def test_wrong_usage_is_one_line_and_exit_2(
    name: str, arguments: tuple[str, ...], reason: str
) -> None:
    done = script(name, *arguments, environment=ENVIRONMENT_OF_NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{Path(name).name}: {reason}")


@pytest.mark.parametrize("name", ["build.sh", "tag_and_push.sh"])
def test_without_an_engine_that_answers_nothing_is_begun(name: str) -> None:
    environment = {**ENVIRONMENT_OF_NOBODY, "ENGINE": "no-such-engine"}
    done = script(name, "-e", ENVIRONMENT, environment=environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no engine answers (asked: no-such-engine)" in line


def test_an_image_that_cannot_be_built_ends_in_a_line_that_says_so(tmp_path: Path) -> None:
    needs_root()
    tools = Tools(tmp_path, os.environ["PATH"])
    environment = {**storage(tmp_path / "storage"), "PATH": tools.path}
    base = "--build-arg=BASE=docker-archive:/nowhere/base.tar"
    done = script("build.sh", "-e", ENVIRONMENT, "--", base, environment=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"build.sh: {IMAGE} could not be built (see above): mend that, then run this again"
    )
