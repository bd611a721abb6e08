"""A new machine with provision/cloud-init.yaml as its user data, run by cloud-init at its boot."""

import json
import re
from pathlib import Path

import pytest

from tests.provision.image import CERTIFICATES
from tests.provision.machine import CHECKOUT, OPERATOR, Machine
from tests.provision.operating import install, reach

USER_DATA = Path("provision/cloud-init.yaml")
# Where cloud-init finds user data without a cloud (its documentation, NoCloud).
SEED = "var/lib/cloud/seed/nocloud"
REPOSITORY = "/srv/scheduler-kit.git"
OPTIONS = "--network sepolia --node none --rpc-url ws://127.0.0.1:8546 --device /dev/xvdb"
# The box's package sources and its network are the test's, and it has no languages to choose from.
LEFT_ALONE = "apt: {preserve_sources_list: true}\nnetwork: {config: disabled}\nlocale: false\n"


def filled_in() -> str:
    """The user data with the values of this box, as an operator writes them."""
    text = USER_DATA.read_text()
    for name, value in {
        "SOURCE": REPOSITORY,
        "REVISION": "main",
        "OPTIONS": f'"{OPTIONS}"',
    }.items():
        text, found = re.subn(rf"(?m)^( *{name}=).*$", rf"\g<1>{value}", text)
        assert found == 1
    return text


@pytest.fixture(scope="module")
def box(bare_box: Machine) -> Machine:
    """The box after its first boot with user data."""
    install(bare_box, "ca-certificates", "cloud-init", "git", "needrestart")
    # The packages make the list of authorities anew; the box's is the host's.
    bare_box.put(Path("/") / CERTIFICATES, f"/{CERTIFICATES}")
    commit = "git init -q -b main && git add -A && git commit -q -m 'as it is here'"
    who = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    script = f"cd {CHECKOUT} && {commit} && git clone -q --bare . {REPOSITORY}"
    bare_box.run("sh", "-c", script, environment=dict.fromkeys(who, "test"))
    seed = bare_box.root / SEED
    seed.mkdir(parents=True)
    (seed / "meta-data").write_text("instance-id: first\n")
    (seed / "user-data").write_text(filled_in())
    (bare_box.root / "etc/cloud/cloud.cfg.d/99-test.cfg").write_text(LEFT_ALONE)
    # What cloud-init does is part of starting.
    bare_box.reboot()
    return bare_box


def test_cloud_init_takes_it(box: Machine) -> None:
    checked = box.run("cloud-init", "schema", "--config-file", f"/{SEED}/user-data", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Valid" in checked.stdout


def test_the_first_boot_makes_it_an_operator(box: Machine) -> None:
    done = box.run("cloud-init", "status", "--wait", "--long", check=False)
    output = box.read("/var/log/cloud-init-output.log")
    # Of no module, whether it is the user data's or cloud-init's own.
    assert json.loads(box.read("/run/cloud-init/result.json"))["v1"]["errors"] == [], output
    assert "status: done" in done.stdout
    assert "== set up; changes: " in output
    assert "send it at least" in output
    reach(box, {"scheduler": "STOPPED", "scheduler-monitor": "RUNNING"})
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    # It can be run again, and then changes nothing.
    again = box.run("/usr/local/sbin/scheduler-first-boot")
    assert "== nothing had to be changed\n" in again.stdout


# What an update does to a library that supervisord uses.
NEW_LIBRARY = r"""
file=$(grep -o '/.*/libz\.so\.[^ ]*' "/proc/$(cat /run/supervisord.pid)/maps" | head -n 1)
cp -p "$file" "$file.new"
mv "$file.new" "$file"
"""


def test_an_update_does_not_stop_the_node(box: Machine) -> None:
    """Ubuntu's images have needrestart, which starts services again without a question."""
    before = box.read("/run/supervisord.pid")
    box.run("sh", "-ec", NEW_LIBRARY)
    said = box.run("needrestart", "-l", "-r", "a").stdout
    assert "systemctl restart supervisor.service" in said.partition("being deferred:")[2], said
    assert box.read("/run/supervisord.pid") == before
