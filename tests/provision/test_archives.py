"""Programs from package archives and releases, as on Ubuntu: archives on the box, signed and real.

The box says that it is Ubuntu; it is Debian with an archive of its own in the place of Launchpad's.
Its geth and clef are real; rskj's package imitates what is known of the real one: the licence that
has to be accepted before, the network by debconf, a unit of its own that is on. Java and the
consensus client are stand-ins.
"""

import hashlib
import re
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.chain.addresses import checksummed
from tests.provision import hoodi
from tests.provision.hoodi import MEGABYTES as MEGABYTES
from tests.provision.machine import CHECKOUT, Machine
from tests.provision.operating import eventually, install, listens, reach, set_up

ARCHIVE = "/srv/archive"
RELEASES = "/srv/releases"
KEYRING = "/etc/apt/trusted.gpg.d/archive.gpg"
# add-apt-repository takes no file: for an archive.
SERVED = "http://127.0.0.1:8000"
UBUNTU = """\
NAME="Ubuntu"
PRETTY_NAME="Ubuntu 24.04"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="24.04"
VERSION_CODENAME=noble
"""

CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Depends: {depends}
Description: {name}
"""
# As in the sources of the real one (rsksmart/artifacts, rskj-ubuntu-installer).
RSKJ_TEMPLATES = """\
Template: shared/accepted-rsk-license-v1-1
Type: boolean
Default: false
Description: Do you agree to the terms of the applicable licenses?

Template: shared/config
Type: select
Choices: mainnet, testnet, regtest
Description: Which network?
"""
RSKJ_PREINST = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_get shared/accepted-rsk-license-v1-1
[ "$RET" != true ] || exit 0
echo "the license agree question could not be asked" >&2
exit 2
"""
RSKJ_POSTINST = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
mkdir -p /var/lib/rsk
chown rsk:rsk /var/lib/rsk
systemctl enable rsk.service
db_fset shared/config seen false
db_input critical shared/config || true
db_go || true
db_get shared/config
ln -sf "/etc/rsk/$RET.conf" /etc/rsk/node.conf
"""
RSK_UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/kill -9 $MAINPID
[Install]
WantedBy=multi-user.target
"""
# What a node's process does that there is not: it runs.
RUNS = "#!/bin/sh\nexec sleep infinity\n"


class Packages:
    """Makes packages, and the archive of them, in a box."""

    def __init__(self, box: Machine) -> None:
        self._box = box
        self._root = box.root / "srv/packages"

    def add(
        self, name: str, files: dict[str, str], depends: str = "", version: str = "99:1"
    ) -> None:
        """A package with these files, by their paths; those in DEBIAN are about it itself."""
        root = self._root / name
        control = CONTROL.format(name=name, version=version, depends=depends)
        for path, text in {"DEBIAN/control": control.replace("Depends: \n", ""), **files}.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        self._box.run("mkdir", "-p", f"{ARCHIVE}/pool")
        self._box.run(
            "dpkg-deb", "--build", "--root-owner-group", f"/srv/packages/{name}", f"{ARCHIVE}/pool"
        )

    def publish(self) -> str:
        """Signs the archive; the line by which apt knows it."""
        batch = "Key-Type: eddsa\nKey-Curve: ed25519\nName-Real: archive\n%no-protection\n%commit\n"
        (self._box.root / "srv/batch").write_text(batch)
        self._box.run("sh", "-ec", f"""
            cd {ARCHIVE}
            architecture=$(dpkg --print-architecture)
            suite=dists/noble
            mkdir -p $suite/main/binary-$architecture
            apt-ftparchive packages pool >$suite/main/binary-$architecture/Packages
            apt-ftparchive -o APT::FTPArchive::Release::Suite=noble \\
                -o APT::FTPArchive::Release::Architectures=$architecture \\
                -o APT::FTPArchive::Release::Components=main release $suite >Release
            mv Release $suite/Release
            export GNUPGHOME=/srv/gnupg
            install -d -m 700 $GNUPGHOME
            gpg --batch --quiet --generate-key /srv/batch
            gpg --batch --yes --clearsign --output $suite/InRelease $suite/Release
            gpg --export >{KEYRING}
        """)  # fmt: skip
        serve = ("python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", ARCHIVE)
        self._box.run("systemd-run", "--quiet", "--unit=archive", *serve, "8000")
        eventually(lambda: listens(self._box, 8000), "the archive is served")
        direct = 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n'
        (self._box.root / "etc/apt/apt.conf.d/99archive").write_text(direct)
        return f"deb {SERVED} noble main"


@pytest.fixture(scope="module")
def ubuntu(bare_box: Machine) -> Machine:
    """The box that says that it is Ubuntu, with an archive of what Ubuntu's have."""
    hoodi.furnish(bare_box)
    install(bare_box, "apt-utils", "gnupg", "curl", "python3")
    packages = Packages(bare_box)
    bare_box.run("install", "-m", "755", "/home/ubuntu/clef", "/usr/local/lib/clef")
    full = f'#!/bin/sh\nexec {hoodi.GETH} "$@" --syncmode full\n'
    packages.add("geth", {"usr/bin/geth": full})
    packages.add("clef", {"usr/bin/clef": '#!/bin/sh\nexec /usr/local/lib/clef "$@"\n'})
    packages.add("openjdk-17-jre-headless", {"usr/bin/java": RUNS})
    packages.add(
        "rskj",
        {
            "usr/share/rsk/rsk.jar": "a jar\n",
            "etc/rsk/testnet.conf": "\n",
            "lib/systemd/system/rsk.service": RSK_UNIT,
            "DEBIAN/templates": RSKJ_TEMPLATES,
            "DEBIAN/preinst": RSKJ_PREINST,
            "DEBIAN/postinst": RSKJ_POSTINST,
        },
        depends="openjdk-17-jre-headless, debconf",
    )
    line = packages.publish()
    release(bare_box, (Path(__file__).parent / "consensus.py").read_text())
    names = {"GETH_ARCHIVE": f"'{line}'", "RSKJ_ARCHIVE": f"'{line}'"}
    names["LIGHTHOUSE_RELEASES"] = f"file://{RELEASES}"
    pin(bare_box, **names)
    (bare_box.root / "srv/os-release").write_text(UBUNTU)
    bare_box.run("mount", "--bind", "/srv/os-release", "/usr/lib/os-release")
    return bare_box


def pin(box: Machine, **values: str) -> None:
    """Has the checkout's provision/sources.sh say this instead."""
    file = box.root / str(CHECKOUT)[1:] / "provision/sources.sh"
    text = file.read_text()
    for name, value in values.items():
        text, found = re.subn(rf"(?m)^( *{re.escape(name)}=).*$", rf"\g<1>{value}", text)
        assert found == 1, name
    file.write_text(text)


def release(box: Machine, program: str) -> str:
    """A release of Lighthouse in the place of its makers'; the SHA-256 of its archive."""
    version = re.search(r"LIGHTHOUSE_VERSION=(\S+)", Path("provision/sources.sh").read_text())
    assert version is not None
    machine = box.run("uname", "-m").stdout.strip()
    name = f"v{version[1]}/lighthouse-v{version[1]}-{machine}-unknown-linux-gnu.tar.gz"
    file = box.root / RELEASES[1:] / name
    file.parent.mkdir(parents=True, exist_ok=True)
    (box.root / "srv/lighthouse").write_text(program)
    box.run("chmod", "755", "/srv/lighthouse")
    box.run("tar", "-C", "/srv", "-czf", f"{RELEASES}/{name}", "lighthouse")
    return hashlib.sha256(file.read_bytes()).hexdigest()


GIVEN = ("--network", "hoodi", "--device", "/dev/xvdb", "--yes")


def test_a_release_with_another_checksum_is_not_installed(ubuntu: Machine) -> None:
    said = set_up(ubuntu, *GIVEN, check=False)
    assert "node: could not download Lighthouse" in said, said
    assert "its log is /var/log/scheduler-setup/node.log" in said
    assert "what was fetched is not Lighthouse" in ubuntu.read("/var/log/scheduler-setup/node.log")
    assert ubuntu.run("ls", "/usr/local/bin/lighthouse", check=False).returncode == 2


def test_geth_clef_and_lighthouse_come_from_archives_and_a_release(ubuntu: Machine) -> None:
    machine = ubuntu.run("uname", "-m").stdout.strip()
    sum_ = release(ubuntu, (Path(__file__).parent / "consensus.py").read_text())
    pin(ubuntu, **{f"[{machine}]": sum_})
    said = set_up(ubuntu, *GIVEN)
    assert "download Lighthouse" in said
    reach(ubuntu, {
        "beacon": "RUNNING", "clef": "RUNNING", "geth": "RUNNING", "scheduler": "STOPPED",
        "scheduler-monitor": "RUNNING",
    })  # fmt: skip
    hoodi.fund(ubuntu, hoodi.account(said))
    eventually(
        lambda: hoodi.asked(ubuntu, f"eth.getBalance('{hoodi.account(said)}') > 0") == "true\n",
        "the chain makes blocks, and pays",
    )
    assert ubuntu.run("dpkg-query", "--show", "geth", "clef").stdout.count("99:1") == 2
    assert "== nothing had to be changed\n" in set_up(ubuntu)


def test_rskj_is_installed_without_questions_and_its_unit_is_off(ubuntu: Machine) -> None:
    ubuntu.run(f"{CHECKOUT}/provision/remove.sh", "--yes", "--data")
    ubuntu.run("apt-get", "purge", "--yes", "geth", "clef")
    said = set_up(ubuntu, "--network", "rsk-testnet", "--signer", "node", "--yes")
    assert "install rskj" in said
    assert "those of peers (50505)" in said
    for question, answer in (("is-enabled", "disabled"), ("is-active", "inactive")):
        assert ubuntu.run("systemctl", question, "rsk", check=False).stdout == f"{answer}\n"
    assert ubuntu.run("readlink", "/etc/rsk/node.conf").stdout == "/etc/rsk/testnet.conf\n"
    reach(ubuntu, {
        "rskj": "RUNNING", "scheduler": "STOPPED", "scheduler-monitor": "RUNNING"
    })  # fmt: skip
    command = ubuntu.read("/etc/supervisor/conf.d/rskj.conf")
    assert "-cp /usr/share/rsk/rsk.jar co.rsk.Start --testnet" in command
    key = PrivateKey(bytes.fromhex(ubuntu.read("/etc/scheduler/rskj.key")))
    assert hoodi.account(said) == checksummed(key.public_key.to_address(), 31)


def test_with_signer_node_rskjs_key_is_in_a_file_of_its_user_alone(ubuntu: Machine) -> None:
    listed = ubuntu.run(
        "stat", "--format=%a %U", "/etc/scheduler/rskj.conf", "/etc/scheduler/rskj.key"
    )
    assert listed.stdout.splitlines() == ["600 rsk", "600 root"]
    key = ubuntu.read("/etc/scheduler/rskj.key").strip()
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert f'accounts = [{{ privateKey = "{key}" }}]' in ubuntu.read("/etc/scheduler/rskj.conf")
    shown = ubuntu.run("ps", "axww", "-o", "args=").stdout
    logs = ubuntu.run("sh", "-c", "cat /var/log/scheduler-setup/* /var/log/supervisor/*").stdout
    assert key not in shown + logs
    assert "== nothing had to be changed\n" in set_up(ubuntu)
