"""Program files as they are filled: what supervisord reads back, and what is refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scheduler import supervision
from scheduler.devchain.supervisor import Supervisor
from scheduler.errors import Misconfigured
from scheduler.supervision import Placement, render

REPORT = """\
#!{python}
import json, os, sys, time
report = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
with open("report.new", "w") as file:
    json.dump(report, file)
os.rename("report.new", "report")
print("out", flush=True)
print("err", file=sys.stderr, flush=True)
time.sleep(60)
"""


def placement(directory: Path, **environment: str) -> Placement:
    return Placement(
        user="operator",
        home=directory,
        bin_dir=directory,
        directory=directory,
        log_dir=directory,
        environment=environment,
    )


def test_supervisord_reads_back_what_was_filled_in(tmp_path: Path) -> None:
    odd = tmp_path / "a b%c'd,e"
    odd.mkdir()
    command = odd / "scheduler"
    command.write_text(REPORT.format(python=sys.executable))
    command.chmod(0o755)
    values = {"A": "50%, \\ it's;#$HOME", "SCHEDULER_CONFIG": str(odd / "config.toml"), "EMPTY": ""}
    arguments = ["--option", "100% 'x y'", ""]
    place = replace(placement(odd, **values), log_dir=tmp_path)
    starter = ["/usr/bin/env", "STARTED_BY=a starter"]
    text = render("scheduler", replace(place, starter=starter), arguments)

    with Supervisor(tmp_path, {"scheduler": text.replace("user=operator\n", "")}) as supervisor:
        logs = [tmp_path / "scheduler-stdout.log", tmp_path / "scheduler-stderr.log"]
        while [log.read_text() if log.exists() else "" for log in logs] != ["out\n", "err\n"]:
            assert supervisor.state("scheduler") in ("STARTING", "RUNNING")
        report = json.loads((odd / "report").read_text())

    assert report["arguments"] == ["run", "scheduler", *arguments]
    assert report["cwd"] == str(odd)
    assert report["environment"] | values == report["environment"]
    assert report["environment"]["STARTED_BY"] == "a starter"
    assert report["environment"]["USER"] == "operator"
    assert report["environment"]["HOME"] == str(odd)
    assert report["environment"]["SUPERVISOR_ENABLED"] == "1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NAME", "two\nlines"),
        ("NAME", "a ;comment"),
        ("NAME", "a #comment"),
        ("NAME", 'a "quote"'),
        ("NAME", "'quoted'"),
        ("NOT A NAME", "x"),
    ],
)
def test_what_supervisord_could_not_read_is_refused(variable: str, value: str) -> None:
    with pytest.raises(Misconfigured):
        render("scheduler", placement(Path("/"), **{variable: value}))


def test_a_log_directory_that_supervisord_would_expand_is_refused() -> None:
    with pytest.raises(Misconfigured, match="log_dir"):
        render("scheduler", replace(placement(Path("/")), log_dir=Path("/logs/100%")))


@pytest.mark.parametrize("name", ["DB_PASSWORD", "account_pk_secret", "API_TOKEN"])
def test_a_secret_in_the_environment_is_refused_without_showing_it(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name}_FILE") as refused:
        render("scheduler", placement(Path("/"), **{name: "hunter2"}))
    assert "hunter2" not in str(refused.value)
    render("scheduler", placement(Path("/"), **{f"{name}_FILE": "/etc/scheduler/secret"}))


def test_an_unknown_program_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(Misconfigured, match="devchain, geth, rskj, scheduler"):
        render("schedular", placement(Path("/")))


def test_the_command_writes_a_file_per_program(tmp_path: Path) -> None:
    arguments = [
        "devchain",
        "scheduler",
        "--bin-dir",
        "/opt/scheduler/bin",
        "-e",
        "LOG_LEVEL=DEBUG",
        "--output",
        str(tmp_path),
    ]
    result = CliRunner().invoke(supervision.command, arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["devchain.conf", "scheduler.conf"]
    text = (tmp_path / "scheduler.conf").read_text()
    assert "\ncommand=/opt/scheduler/bin/scheduler run scheduler\n" in text
    assert 'LOG_LEVEL="DEBUG"' in text
    assert "\nstdout_logfile=/var/log/supervisor/scheduler-stdout.log\n" in text


def written(directory: Path, *options: str) -> str:
    """scheduler.conf as the command writes it into `directory`."""
    result = CliRunner().invoke(supervision.command, ["--output", str(directory), *options])
    assert (result.exit_code, result.output) == (0, "")
    return (directory / "scheduler.conf").read_text()


def test_what_starts_at_boot_stays_as_it_was_chosen(tmp_path: Path) -> None:
    assert "\nautostart=false\n" in written(tmp_path)
    assert "\nautostart=true\n" in written(tmp_path, "--autostart")
    assert "\nautostart=true\n" in written(tmp_path)
    assert "\nautostart=false\n" in written(tmp_path, "--no-autostart")


def test_arguments_are_added_to_the_command(tmp_path: Path) -> None:
    text = written(tmp_path, "--arguments", "--config '/etc/my config.toml'")
    assert "scheduler run scheduler --config '/etc/my config.toml'\n" in text
    refused = CliRunner().invoke(supervision.command, ["--arguments", "'"])
    assert isinstance(refused.exception, Misconfigured)


def test_the_command_names_a_user_who_does_not_exist() -> None:
    result = CliRunner().invoke(supervision.command, ["scheduler", "--user", "nobody-here"])
    assert isinstance(result.exception, Misconfigured)
    assert "nobody-here" in str(result.exception)


def test_without_names_the_command_is_about_what_every_box_has() -> None:
    result = CliRunner().invoke(supervision.command, [])
    assert result.exit_code == 0
    assert "[program:scheduler]" in result.output
    assert "devchain" not in result.output


def test_a_directory_that_cannot_be_written_is_told_in_one_line() -> None:
    result = CliRunner().invoke(supervision.command, ["--output", "/proc"])
    assert isinstance(result.exception, Misconfigured)
    assert "/proc/scheduler.conf cannot be written" in str(result.exception)
