"""Alerts by e-mail: what they say, and that a password is said to nobody but who it is for."""

import smtplib
import subprocess
from pathlib import Path

import pytest

from scheduler.config.model import Email
from scheduler.operations.monitor.channels import EmailChannel, NotDelivered
from tests.commands import free_port
from tests.monitor.mail import PASSWORD, USER, mail_server
from tests.monitor.samples import MESSAGE, OVER


def channel(server: str, password: Path | None = None) -> EmailChannel:
    """To this server; with a password, as the user that has it."""
    known = {} if password is None else {"user": USER, "password-file": password}
    return EmailChannel(Email(server=server, sender="a@b.org", to=("c@d.org",), **known), "box-1")


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    return file


def made_certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """One that says that it is this host, signed by itself, and its key."""
    certificate, key = directory / f"{host}.pem", directory / f"{host}.key"
    kind = "IP" if host[0].isdigit() else "DNS"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_a_mail_says_what_is_wrong_and_what_to_do() -> None:
    with mail_server() as server:
        mail = channel(server.address)
        mail.send(MESSAGE)
        mail.send(OVER)
    first, second = server.mails
    assert "Subject: box-1: node.head: no new block for 70 s" in first
    assert "What to do: restart it" in first
    assert "To: c@d.org" in first
    assert "is well again after 5 minutes" in second


def test_a_mail_server_that_is_away_is_told() -> None:
    with pytest.raises(NotDelivered, match="refused"):
        channel(f"127.0.0.1:{free_port()}").send(MESSAGE)


def test_a_password_is_said_after_starttls(
    tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = made_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate, key) as server:
        channel(server.address, password).send(MESSAGE)
        assert server.verbs(encrypted=False) == ["ehlo", "STARTTLS"]
        assert {"AUTH", "mail", "data"} <= set(server.verbs(encrypted=True))
        assert len(server.mails) == 1
        password.write_text("another\n")
        with pytest.raises(NotDelivered, match="535"):
            channel(server.address, password).send(MESSAGE)
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [
        ("127.0.0.1", False, "self-signed certificate"),
        ("mail.example.org", True, "certificate is not valid for '127.0.0.1'"),
    ],
)
def test_no_password_is_said_to_a_server_whose_certificate_is_not_its_own(
    host: str,
    trusted: bool,
    reason: str,
    tmp_path: Path,
    password: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate, key = made_certificate(tmp_path, host)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate, key) as server, pytest.raises(NotDelivered) as refused:
        channel(server.address, password).send(MESSAGE)
    said = str(refused.value)
    assert said.startswith(f"{server.address}: its certificate is not taken: ")
    assert reason in said
    assert len(said.splitlines()) == 1
    assert PASSWORD not in said
    assert server.verbs(encrypted=True) == []
    assert server.mails == []


def test_no_password_is_said_to_a_server_that_does_not_encrypt(password: Path) -> None:
    with mail_server() as server, pytest.raises(NotDelivered) as refused:
        channel(server.address, password).send(MESSAGE)
    assert server.mails == []
    assert "AUTH" not in server.verbs(encrypted=False)
    assert PASSWORD not in str(refused.value)
    assert isinstance(refused.value.__cause__, smtplib.SMTPException)
