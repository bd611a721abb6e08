"""backup.sh, restore.sh and upgrade.sh on a box whose journal is in a PostgreSQL database.

The scripts, the commands that they call and the database are real. The box is a root directory of
its own: everything is the machine's but for /etc, /opt, /data and /var. What needs systemd and the
box's users is imitated: supervisorctl keeps what it is told, runuser runs as who calls it, and the
time for which programs must stay up is no time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import Server

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0,
        reason="has a root directory of its own, which needs root: "
        "sudo scripts/test tests/provision",
    ),
    # Each script starts a dozen commands.
    pytest.mark.timeout(2400),
]

ROOT = Path(__file__).parents[2]

FORMER = "0.0.9-former"

SUPERVISORCTL = """\
#!/bin/sh
echo "$*" >>/var/told
case $1 in
    status) echo 'scheduler  RUNNING  pid 1, uptime 0:01:00' ;;
    pid) echo $(cat /var/pid) ;;
esac
"""
RUNUSER = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""

STAND_INS = {"supervisorctl": SUPERVISORCTL, "runuser": RUNUSER, "sleep": "#!/bin/sh\n"}

PRIVATELY = ("unshare", "--mount", "--propagation", "private")

# Into a root directory in which only some things are the box's own.
ENTER = """\
set -e
for each in /*; do
    case $each in /etc | /opt | /data | /var) continue ;; esac
    if [ -L "$each" ]; then
        cp --no-dereference "$each" "$0/"
    elif [ -d "$each" ]; then
        mkdir -p "$0$each"
        mount --rbind "$each" "$0$each"
    fi
done
mount -t tmpfs none "$0/data"
exec chroot "$0" "$@"
"""


class Box:
    """A box with this release's code as the former version, whose scheduler runs."""

    def __init__(self, directory: Path, url: str) -> None:
        self.root = directory
        self.url = url
        for place in ("data", "opt/bin", "var/backups", "var/log", "var/tmp"):
            (directory / place).mkdir(parents=True)
        shutil.copytree("/etc/alternatives", directory / "etc/alternatives", symlinks=True)
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", directory / "etc" / name)
        (directory / "etc/scheduler").mkdir()
        self.config = directory / "etc/scheduler/config.toml"
        self.config.write_text(f'network = "sepolia"\njournal = "{url}"\n')
        self.program = directory / "etc/supervisor/conf.d/scheduler.conf"
        self.program.parent.mkdir(parents=True, exist_ok=True)
        self.program.write_text(f"command=/opt/scheduler/releases/{FORMER}/bin/scheduler\n")
        (directory / "var/pid").write_text("1")
        for name, text in STAND_INS.items():
            program = directory / "opt/bin" / name
            program.write_text(text)
            program.chmod(0o755)
        self.release(FORMER, ROOT)
        (directory / "opt/scheduler/current").symlink_to(f"releases/{FORMER}")

    def release(self, name: str, code: Path) -> None:
        """A release that is installed: commands that run this code."""
        release = self.root / "opt/scheduler/releases" / name
        (release / "bin").mkdir(parents=True)
        program = release / "bin/scheduler"
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH={code} exec {sys.executable} -c "
            "'from scheduler.entry import main; main()' \"$@\"\n"
        )
        program.chmod(0o755)
        packages = release / "lib/python3/site-packages"
        packages.mkdir(parents=True)
        (packages / "libraries.pth").write_text("/opt/scheduler/libraries/some/site-packages\n")
        (release / "complete").touch()

    def upgrade_to(self, *migration: str) -> None:
        """Installs the checkout's version beside, with this migration besides."""
        naming = f'ROOT={ROOT}; . "$ROOT/provision/steps/40-scheduler.sh"; release_id'
        name = subprocess.check_output(["bash", "-c", naming], text=True).strip()
        code = self.root / "opt/code"
        shutil.copytree(ROOT / "scheduler", code / "scheduler")
        for sql in migration:
            folder = code / "scheduler/transactions/journal/migrations"
            (folder / "0002-more.postgresql.sql").write_text(sql)
        self.release(name, Path("/opt/code"))

    def run(self, script: str, *options: str, status: int = 0) -> str:
        """What a script of provision/ says, which ends with this status."""
        command = [str(ROOT / "provision" / script), *options]
        done = subprocess.run(
            [*PRIVATELY, "sh", "-c", ENTER, str(self.root), *command],
            env={
                "PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "LANG": "C.UTF-8",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def told(self) -> list[str]:
        """What supervisord was told, but for questions."""
        file = self.root / "var/told"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for line in lines if line.split()[0] not in ("status", "pid")]

    def in_use(self) -> str:
        """The release that commands and programs are of."""
        name = (self.root / "opt/scheduler/current").readlink().name
        assert f"/opt/scheduler/releases/{name}/bin" in self.program.read_text()
        return name

    def schema(self, server: Server) -> str:
        """The number of the newest migration that the database has."""
        name = self.url.partition("?")[0].rpartition("/")[2]
        [[number]] = server.sql("SELECT max(number) FROM migrations", name)
        return number


@pytest.fixture
def box(database_server: Server, tmp_path: Path) -> Box:
    url = database_server.local(database_server.database())
    made = Box(tmp_path / "box", url)
    command = [str(Path(sys.executable).parent / "scheduler"), "journal", "migrate"]
    subprocess.run([*command, "--config", str(made.config)], check=True, capture_output=True)
    return made


def test_a_backup_has_keys_and_configuration_and_says_how_the_database_is_kept(box: Box) -> None:
    said = box.run("backup.sh", "/var/backups/box.tar.gz")
    assert "has the configuration, the keys of this box\n" in said
    assert (
        f"in the database, which all boxes share; to keep that: pg_dump -Fc -d '{box.url}'" in said
    )
    kept = box.config.read_text()
    box.config.write_text(f"{kept}# changed since\n")
    said = box.run("restore.sh", "--yes", "/var/backups/box.tar.gz")
    assert box.config.read_text() == kept
    assert f"The journal, the database {box.url}, is as it was" in said
    assert " and postgresql://" not in said
    assert box.told() == ["stop scheduler", "start scheduler"]


def test_a_backup_of_before_the_database_warns_of_two_journals(box: Box) -> None:
    in_database = box.config.read_text()
    box.config.write_text('network = "sepolia"\njournal = "/data/journal.db"\n')
    box.run("backup.sh", "/var/backups/box.tar.gz")
    box.config.write_text(in_database)
    said = box.run("restore.sh", "--yes", "/var/backups/box.tar.gz")
    assert f"this box's journal is the database {box.url}, the backup's is /data/journal.db" in said


def test_an_upgrade_without_a_new_schema_asks_nothing(box: Box, database_server: Server) -> None:
    box.upgrade_to()
    said = box.run("upgrade.sh")
    assert "== upgrade: done\n" in said
    assert box.in_use() != FORMER
    assert box.told() == ["stop scheduler", "reread", "update", "start scheduler"]
    assert box.schema(database_server) == "1"


def test_a_new_schema_waits_until_all_boxes_are_stopped(box: Box, database_server: Server) -> None:
    box.upgrade_to("CREATE TABLE more (number bigint);")
    # Nobody is there to answer.
    said = box.run("upgrade.sh", status=2)
    assert f"the journal {box.url} would go from schema 1 to 2, with which no program" in said
    assert "are the programs of all other boxes stopped?: nobody is there to answer" in said
    assert (box.in_use(), box.schema(database_server), box.told()) == (FORMER, "1", [])
    said = box.run("upgrade.sh", "--yes")
    assert "== upgrade: done\n" in said
    assert "Then all other boxes: sudo provision/upgrade.sh" in said
    assert box.in_use() != FORMER
    assert box.schema(database_server) == "2"


def test_a_migration_that_fails_leaves_box_and_database_as_they_were(
    box: Box, database_server: Server
) -> None:
    box.upgrade_to("CREATE TABLE more (number bigint); SELECT 1/0;")
    said = box.run("upgrade.sh", "--yes", status=1)
    assert f"the box runs {FORMER} as before, since " in said
    assert (box.in_use(), box.schema(database_server)) == (FORMER, "1")
    assert box.told()[-1] == "start scheduler"


def test_a_way_back_that_fails_is_said(box: Box) -> None:
    """It ended without a word, with the reason in the log alone."""
    box.upgrade_to("SELECT 1/0;")
    box.program.unlink()
    said = box.run("upgrade.sh", "--yes", status=1)
    assert f"; and going back to {FORMER} failed, too; its log is /var/log/" in said


def test_nothing_goes_back_to_a_version_that_the_database_has_left(
    box: Box, database_server: Server
) -> None:
    box.upgrade_to("CREATE TABLE more (number bigint);")
    # Of a process that there is not: the scheduler does not stay up.
    (box.root / "var/pid").write_text("999999999")
    (box.root / "var/log/supervisor").mkdir()
    (box.root / "var/log/supervisor/scheduler-stderr.log").write_text("broken\n")
    said = box.run("upgrade.sh", "--yes", status=1)
    assert "since the database has its schema now, but scheduler does not stay up: broken" in said
    assert "provision/setup.sh\n" in said
    assert box.in_use() != FORMER
    assert box.schema(database_server) == "2"


def test_a_database_that_is_away_keeps_everything_as_it_is(box: Box) -> None:
    box.upgrade_to()
    box.config.write_text('network = "sepolia"\njournal = "postgresql://s@127.0.0.1:1/s"\n')
    said = box.run("upgrade.sh", status=2)
    assert "the new version cannot work with the journal (see the line above)" in said
    assert (box.in_use(), box.told()) == (FORMER, [])
