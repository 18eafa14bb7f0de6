"""Servers on loopback, as a firewall's administrator would not have them: each answers, or fails to, in one way."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pyhf_endpoint.doctor import Host

Serve = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Authority:
    """A certificate authority, made for one test."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(*(flag in (5, 6) for flag in range(9)))  # signs certificates and lists of revoked ones
        builder = _builder(subject, subject, key, -1, 30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()))

    def trust(self) -> ssl.SSLContext:
        """What a machine has that trusts this authority alone."""
        return ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())

    def issue(self, folder: Path, host: str = "localhost", *, begins: int = -1, ends: int = 30) -> ssl.SSLContext:
        """A server's certificate, valid between two days counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        builder = _builder(subject, self.certificate.subject, key, begins, ends)
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = builder.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        chain, secret = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: int, ends: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begins))
        .not_valid_after(now + datetime.timedelta(days=ends))
    )


@contextlib.contextmanager
def listening(serve: Serve) -> Iterator[Host]:
    """A server on loopback that treats each connection in its way."""
    with socket.create_server(("localhost", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Host("api", "localhost", server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def secure(context: ssl.SSLContext, ahead_s: float | None = None) -> Serve:
    """Speak TLS; answer HTTP with a clock that is some seconds ahead, or without a date."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as channel:
            channel.settimeout(5)
            if not channel.recv(4096):
                return
            date = ""
            if ahead_s is not None:
                now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead_s)
                date = f"Date: {format_datetime(now, usegmt=True)}\r\n"
            channel.sendall(f"HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\n\r\n".encode())

    return serve


def silent(connection: socket.socket) -> None:
    """Accept, and say nothing until the other side gives up."""
    connection.settimeout(10)
    while connection.recv(4096):
        pass


def plain(connection: socket.socket) -> None:
    """Answer without TLS."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
