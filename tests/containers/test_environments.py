"""The folders in environments/: what is in them fits the program, AWS and one another."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from scheduler.moc.jobs import TASKS
from scheduler.moc_config import default_file, flattened, load
from tests.containers.base import ROOT

PLACE = ROOT / "environments"

ROWS = {
    line.split()[0]: line.split()[1:]
    for line in (PLACE / "names.txt").read_text().splitlines()
    if not line.startswith("#")
}

# As the table of Money on Chain's operators has them: both names, and the site.
KNOWN = {
    ("ec2_alphatestnet", "moc-alphatestnet"): "alpha-testnet.moneyonchain.com",
    ("ec2_testnet", "moc-testnet"): "moc-testnet.moneyonchain.com",
    ("ec2_mainnet", "moc-mainnet"): "alpha.moneyonchain.com",
    ("ec2_rdoc_mainnet", "rdoc-mainnet"): "rif.moneyonchain.com",
    ("ec2_rdoc_testnet", "rdoc-testnet"): "rif-testnet.moneyonchain.com",
    ("rrc20-testnet", "rdoc-testnet"): "rif-testnet.moneyonchain.com",
    ("ec2_rdoc_alphatestnet", "rdoc-alpha-testnet"): "rif-alpha.moneyonchain.com",
}

ONLY_POKE = {
    f"{name}-onlypoke" for name in ("moc-mainnet", "moc-testnet", "rdoc-mainnet", "rdoc-testnet")
}

every_environment = pytest.mark.parametrize("name", ROWS)


def definition(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PLACE / name / "task-definition.json").read_text())
    return content


def variables(name: str) -> dict[str, str]:
    (container,) = definition(name)["containerDefinitions"]
    return {each["name"]: each["value"] for each in container["environment"]}


def test_each_name_has_its_folder_and_each_folder_its_name() -> None:
    folders = {path.name for path in PLACE.iterdir() if path.is_dir()} - {"iam"}
    assert folders == ROWS.keys() == {name for _, name in KNOWN} | ONLY_POKE


@pytest.mark.parametrize(("names", "site"), KNOWN.items(), ids=lambda each: str(each))
def test_the_names_that_operators_know_lead_to_their_sites(
    names: tuple[str, str], site: str
) -> None:
    other, name = names
    others, _, _, where = ROWS[name]
    assert other in others.split(",")
    assert where == site


@every_environment
def test_its_configuration_is_taken_without_a_remark_and_lacks_a_key_alone(name: str) -> None:
    _, network, _, _ = ROWS[name]
    found = load(PLACE / name / "config.json", network, {"ACCOUNT_PK_SECRET": "61" * 32})
    assert found.remarks == ()
    assert set(found.tasks) == ({"oracle_poke"} if name in ONLY_POKE else set(TASKS))


@every_environment
def test_its_addresses_are_those_of_the_configuration_beside_the_script(name: str) -> None:
    """They are written down once more so that a folder is all that a deployment needs."""
    _, network, contracts, _ = ROWS[name]
    content = json.loads((PLACE / name / "config.json").read_text())
    known = json.loads(default_file().read_text())["networks"][network]
    (own,) = content["networks"].values()
    assert list(content["networks"]) == [network]
    assert own["app_mode"] == contracts
    assert {**own, "uri": None} == {**known, "uri": None}


@every_environment
def test_its_task_definition_is_one_as_ecs_takes_it(name: str) -> None:
    """Against AWS's own description of the call, as its clients check it."""
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"), "ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(definition(name), shape)
    assert not report.has_errors(), report.generate_report()


@every_environment
def test_its_task_runs_its_configuration(name: str) -> None:
    assert variables(name) == {
        "AWS_DEFAULT_REGION": "{region}",
        "MOC_JOBS_CONFIG": flattened(PLACE / name / "config.json"),
        "MOC_JOBS_NAME": name,
        "MOC_JOBS_NETWORK": ROWS[name][1],
    }


@every_environment
def test_its_key_is_a_secret_of_its_own(name: str) -> None:
    (container,) = definition(name)["containerDefinitions"]
    (secret,) = container["secrets"]
    assert secret["name"] == "ACCOUNT_PK_SECRET"
    place = f"parameter/moc_jobs/{name}/ACCOUNT_PK_SECRET"
    assert secret["valueFrom"] == f"arn:aws:ssm:{{region}}:{{account}}:{place}"


def test_nothing_else_differs_between_them() -> None:
    def common(name: str) -> str:
        content = definition(name)
        (container,) = content["containerDefinitions"]
        container["environment"] = None
        return json.dumps(content).replace(f"{name}/", "NAME/").replace(f"_{name}", "_NAME")

    assert len({common(name) for name in ROWS}) == 1


def test_the_image_s_health_check_is_the_task_s_as_well() -> None:
    """ECS does not look at the image's."""
    (container,) = definition("moc-testnet")["containerDefinitions"]
    check = container["healthCheck"]
    instruction = (ROOT / "Dockerfile").read_text().split("HEALTHCHECK ")[1].split("\nCMD")[0]
    seconds = {
        "interval": f"--interval={check['interval']}s",
        "timeout": f"--timeout={check['timeout']}s",
        "retries": f"--retries={check['retries']}",
        "startPeriod": f"--start-period={check['startPeriod']}s",
    }
    assert {key for key, option in seconds.items() if option not in instruction} == set()
    assert json.dumps(check["command"][1:]) in instruction
