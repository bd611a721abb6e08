"""The image as operators run it: what is in it, how it begins and ends, that it does the jobs."""

import re
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.devchain.moc import PRICE, SETTLEMENT_SPAN
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE
from tests.commands import head_of, until
from tests.containers.aws import ACCOUNT, KEYS, REGION, Aws
from tests.containers.engine import Container, Image
from tests.heartbeat.cloudwatch import SECRET as AWS_SECRET
from tests.heartbeat.cloudwatch import running
from tests.heartbeat.cloudwatch import variables as heartbeat_variables
from tests.moc.configured import rootstock, written
from tests.moc.rig import World
from tests.rskj.server import StandIn

# Making the image is part of the first test's time.
pytestmark = pytest.mark.timeout(900)

# Of each process that tests: chains that begin in one second are the same to their programs.
KEY = PrivateKey(secrets.token_bytes(32))
SECRET = KEY.to_bytes().hex()

HEALTH = ("scheduler", "doctor", "--liveness")

# The functions by whose names the lines tell of the seven, and what makes the others due after the
# first two, which a new deployment has to do.
FIRST = ("dailyInratePayment", "payBitProHoldersInterestPayment")


@pytest.fixture
def chain() -> Iterator[tuple[World, StandIn]]:
    with rootstock(KEY) as chain:
        yield chain


def configured(tmp_path: Path, chain: tuple[World, StandIn]) -> dict[str, str]:
    """The variables that the container is given, as the task definitions have them."""
    world, stand_in = chain
    return {
        "MOC_JOBS_CONFIG": written(tmp_path, world, stand_in.http).read_text(),
        "ACCOUNT_PK_SECRET": SECRET,
    }


def sent(world: World) -> int:
    """How many transactions of the account are mined."""
    account = KEY.public_key.to_address()
    return int(world.request("eth_getTransactionCount", account, "latest"), 16)


def pending(world: World) -> int:
    """How many more are in the node's pool."""
    account = KEY.public_key.to_address()
    return int(world.request("eth_getTransactionCount", account, "pending"), 16) - sent(world)


def selector(function: str) -> str:
    return "0x" + call_data(f"{function}()").hex()


def assert_each_once(world: World) -> None:
    """All that the account sent was mined, the first two jobs among it, and nothing twice."""
    account = KEY.public_key.to_address()
    blocks = (world.request("eth_getBlockByNumber", hex(n), True) for n in range(world.head + 1))
    every = [each for block in blocks for each in block["transactions"]]
    done = Counter(each["input"] for each in every if each["from"] == account)
    assert {selector(function) for function in FIRST} <= done.keys()
    assert set(done.values()) == {1}, done


def test_it_has_no_compiler_and_nothing_that_installs(image: Image) -> None:
    names = {path.name for path in image.root.glob("**/bin/*")}
    compilers = re.compile(r"(.*-)?(gcc|g\+\+|cc|c99|clang|ld|as|make|cargo|rustc|go)(-[\d.]+)?")
    assert {"python3", "moc_jobs"} <= names
    assert {name for name in names if compilers.fullmatch(name)} == set()
    assert not list(image.root.glob("opt/scheduler/lib/python*/site-packages/pip"))
    assert list(image.root.glob("opt/scheduler/lib/python*/site-packages/psycopg_binary"))
    assert not (image.root / "build").exists()


def test_it_is_nobody_s_root_and_says_how_to_ask_for_its_health(image: Image) -> None:
    user, _, group = image.config["User"].partition(":")
    assert int(user) == int(group) > 1000
    assert image.config["Healthcheck"]["Test"] == ["CMD", *HEALTH]
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.config["Cmd"] == ["moc_jobs"]
    assert image.config["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert not any("PIP_" in variable for variable in image.config["Env"])


def test_it_runs_every_program(image: Image, tmp_path: Path) -> None:
    for command in (("scheduler",), ("eth_alarm",), ("moc_jobs",)):
        with image.run(tmp_path, *command, "--version") as container:
            assert container.ended() == 0
        assert container.lines == [f"{command[0]}, version 0.1.0"]


def test_it_knows_its_environment_and_waits_for_a_node(image: Image, tmp_path: Path) -> None:
    """Nothing but a key is given; here no public node answers."""
    with image.run(tmp_path, ACCOUNT_PK_SECRET=SECRET) as container:
        container.saw("Waiting for the node: .*public-node")
        health = container.execute(*HEALTH)
        assert (health.returncode, health.stderr) == (0, "")
        assert health.stdout.startswith("alive: moc_jobs (")
        status = Path(f"/proc/{container.main_pid()}/status").read_text()
        assert re.search(r"^NSpid:\t\d+\t1$", status, re.M), "the program is the first process"
        assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.M)
        assert re.search(r"^CapBnd:\t0+$", status, re.M)
        environ = Path(f"/proc/{container.main_pid()}/environ").read_bytes()
        assert SECRET.encode() not in environ
        assert container.stop() == 0
    assert container.errors == []


@pytest.mark.parametrize("store", ["ssm", "secretsmanager"])
def test_it_has_what_of_aws_s_library_reads_its_key(
    image: Image, server: Aws, tmp_path: Path, store: str
) -> None:
    """The services that nothing asks are not in the image."""
    client = server.client(store)
    if store == "ssm":
        client.put_parameter(Name="moc_jobs", Type="SecureString", Value=SECRET)
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/moc_jobs"
    else:
        arn = client.create_secret(Name="moc_jobs", SecretString=SECRET)["ARN"]
    variables = {"AWS_ENDPOINT_URL": server.url, "ACCOUNT_PK_SECRET_ARN": arn, **KEYS}
    with image.run(tmp_path, **variables) as container:
        container.saw("Waiting for the node: ")
        assert container.stop() == 0
    assert container.errors == []


def test_without_a_key_it_says_so_and_ends(image: Image, tmp_path: Path) -> None:
    with image.run(tmp_path) as container:
        assert container.ended() == 2
    (line,) = container.errors
    assert "there is no account; set ACCOUNT_PK_SECRET" in line


def test_the_first_process_hears_a_stop_before_it_has_read_its_configuration(
    image: Image, tmp_path: Path
) -> None:
    """The kernel gives the first process no signal that it does not handle (pid_namespaces(7))."""
    with image.run(tmp_path, ACCOUNT_PK_SECRET=SECRET) as container:
        until(lambda: handles(container.main_pid(), signal.SIGTERM))
        command = Path(f"/proc/{container.main_pid()}/cmdline").read_bytes()
        assert b"/moc_jobs" in command, "the program itself has begun already"
        assert container.stop() == 0
    assert container.lines == container.errors == []


def handles(pid: int | None, signum: int) -> bool:
    if pid is None:
        return False
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\t(\w+)$", status, re.M)
    return bool(caught and int(caught[1], 16) >> (signum - 1) & 1)


def test_it_does_the_seven_jobs(image: Image, chain: tuple[World, StandIn], tmp_path: Path) -> None:
    world, _ = chain
    with image.run(tmp_path, **configured(tmp_path, chain)) as container:

        def done(function: str) -> None:
            container.saw(
                rf"Successfully {function} in Block \[\d+\] Hash: \[0x\w{{64}}\]", seconds=90
            )

        for function in FIRST:
            done(function)
        world.mine(25)
        done("calculateBitcoinMovingAverage")
        world.market.set_price(BUCKET_LIQUIDATION_PRICE)
        done("evalBucketLiquidation")
        world.market.set_price(PRICE)
        world.market.request_redemption()
        world.mine(SETTLEMENT_SPAN)
        done("runSettlement")
        world.market.set_price(PRICE, seconds=60)
        world.request("evm_increaseTime", 120)
        done("poke")
        # The settlement made the system a little safer than it was.
        world.market.set_price(LIQUIDATION_PRICE // 2)
        done("evalLiquidation")
        assert container.execute(*HEALTH).returncode == 0
        assert container.stop() == 0
    assert container.errors == []
    assert SECRET not in str(container.lines)


def test_its_heartbeat_arrives_and_with_cloudwatch_away_the_jobs_go_on(
    image: Image, chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    world, _ = chain
    world.market.set_price(PRICE, seconds=60)
    with ExitStack() as cloud:
        cloudwatch = cloud.enter_context(running())
        variables = heartbeat_variables(cloudwatch.url)
        with image.run(tmp_path, **configured(tmp_path, chain), **variables) as container:
            cloudwatch.saw(0)
            container.saw("Successfully dailyInratePayment in Block")
            world.request("evm_increaseTime", 120)
            container.saw("Successfully poke in Block")
            # A price that is taken out is told at once.
            cloudwatch.saw(0, 1)
            cloud.close()
            world.mine(25)
            container.saw("Successfully dailyInratePayment in Block", times=2)
            assert container.stop() == 0
    assert AWS_SECRET not in str(container.lines) + str(container.errors)


def test_killed_and_started_without_a_volume_while_a_transaction_is_pending_it_sends_nothing_twice(
    image: Image, chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    world, _ = chain
    world.request("evm_setIntervalMining", 0)
    variables = configured(tmp_path, chain)
    with image.run(tmp_path, **variables) as first:
        while not pending(world):
            walk(world, first)
        before = pending(world)
        first.kill()
    with image.run(tmp_path, **variables) as second:
        second.saw(
            "there is no journal at /data/scheduler/journal.db yet; .* a volume that outlives"
        )
        second.saw("this journal never sent from .* before; nothing new is sent until")
        assert pending(world) == before
        for _ in range(8):
            walk(world, second)
        assert second.stop() == 0
    assert all(f"Calling {function}" not in str(second.lines) for function in FIRST)
    assert_each_once(world)


def walk(world: World, container: Container) -> None:
    """A block, and the program has dealt with it."""
    world.mine()
    head = world.head
    until(lambda: head_of(container.volume, "moc_jobs") >= head)


def test_with_a_volume_it_goes_on_where_the_one_before_it_ended(
    image: Image, chain: tuple[World, StandIn], tmp_path: Path
) -> None:
    variables = configured(tmp_path, chain)
    with image.run(tmp_path, **variables) as first:
        for function in FIRST:
            first.saw(f"Successfully {function} in Block")
        first.kill()
    with image.run(tmp_path, volume=first.volume, **variables) as second:
        second.saw("NO: runSettlement!")
        assert second.stop() == 0
    assert second.having("never sent from|there is no journal") == []
    assert_each_once(chain[0])
