"""A box whose node is elsewhere, where the schedulers ask clef at its own socket."""

from scheduler.devchain.toolchain import clef_path
from tests.provision.machine import Machine
from tests.provision.operating import eventually, reach, set_up

OPTIONS = ("--network", "sepolia", "--node", "none", "--rpc-url", "http://127.0.0.1:8545")
OPTIONS += ("--signer", "clef", "--clef-binary", "/home/ubuntu/clef", "--device", "/dev/xvdb")


def test_the_schedulers_user_asks_clef_at_its_own_socket(bare_box: Machine) -> None:
    bare_box.put(clef_path(), "/home/ubuntu/clef")
    said = set_up(bare_box, *OPTIONS, "--yes", "--autostart")
    assert "let scheduler speak to clef" in said
    running = dict.fromkeys(("clef", "scheduler", "scheduler-monitor"), "RUNNING")
    reach(bare_box, running)
    command = ("runuser", "-u", "scheduler", "--", "scheduler", "account", "show")
    eventually(
        lambda: bare_box.run(*command, check=False).stdout.endswith("  clef  sends\n"),
        "clef answers the schedulers' user",
    )
    shown = bare_box.run(*command, check=False).stdout
    assert f"the account is {shown.split()[0]}: send it at least" in said
    assert "== nothing had to be changed\n" in set_up(bare_box, *OPTIONS)
    # What a journal in a database needs is there before any configuration names one.
    bare_box.run("/opt/scheduler/current/bin/python", "-c", "import psycopg")
