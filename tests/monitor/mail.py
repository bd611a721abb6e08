"""A mail server that takes what it is given, in the clear or, where it has a certificate, after
STARTTLS from those who know the password."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "me", "hunter2"

# The proof of AUTH PLAIN (RFC 4616).
_PROOF = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


class Mail(socketserver.ThreadingTCPServer):
    """Keeps the mails; the commands, with whether they were encrypted."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.mails: list[str] = []
        self.commands: list[tuple[str, bool]] = []
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def verbs(self, encrypted: bool) -> list[str]:
        """What was said so, of each command the first word."""
        return [line.split()[0] for line, way in self.commands if way is encrypted]


class _Handler(socketserver.StreamRequestHandler):
    """Of SMTP (RFC 5321), STARTTLS (RFC 3207) and AUTH (RFC 4954) what smtplib says."""

    server: Mail

    def handle(self) -> None:
        self._encrypted = False
        self._say("220 mail.example.org")
        while line := self.rfile.readline().decode().strip():
            self.server.commands.append((line, self._encrypted))
            match line.split()[0].upper():
                case "EHLO":
                    offers = "AUTH PLAIN" if self._encrypted else "STARTTLS"
                    known = ["mail.example.org", *([offers] if self.server.context else [])]
                    self._say(*(f"250-{each}" for each in known[:-1]), f"250 {known[-1]}")
                case "STARTTLS":
                    self._say("220 go on")
                    try:
                        self._encrypt()
                    except (ssl.SSLError, OSError):
                        return
                case "AUTH":
                    knows = line.endswith(f" PLAIN {_PROOF}")
                    self._say("235 welcome" if knows else "535 who are you?")
                case "DATA":
                    self._say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode()) != ".\r\n":
                        lines.append(text)
                    self.server.mails.append("".join(lines))
                    self._say("250 fine")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _encrypt(self) -> None:
        assert self.server.context is not None, "it was not offered"
        self.rfile.close()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self._encrypted = True

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def mail_server(certificate: Path | None = None, key: Path | None = None) -> Iterator[Mail]:
    """One on loopback that offers STARTTLS if it has a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    with Mail(context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
