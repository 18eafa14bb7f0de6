"""The way out, against servers on loopback that fail in every way that firewalls make them fail."""

import re
import socket
from pathlib import Path

import pytest

from pyhf_endpoint.doctor import Host, network
from pyhf_endpoint.doctor.finding import Finding, error, ok
from tests.doctor.servers import Authority, Serve, listening, plain, secure, silent

TIMEOUT_S = 0.5


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("Trusted")


def look(serve: Serve, authority: Authority) -> Finding:
    with listening(serve) as host:
        found = network.tls(host, context=authority.trust(), timeout=TIMEOUT_S)
        return Finding(
            found.check, found.severity, found.message.replace(str(host), "HOST"), found.remedy.replace(str(host), "HOST")
        )


def test_a_good_server(authority: Authority, tmp_path: Path) -> None:
    found = look(secure(authority.issue(tmp_path)), authority)
    assert found == ok("tls-api", "HOST answers directly with TLSv1.3 and a valid certificate")


def test_an_expired_certificate(authority: Authority, tmp_path: Path) -> None:
    found = look(secure(authority.issue(tmp_path, begins=-9, ends=-2)), authority)
    assert (found.severity, found.message) == ("error", "the certificate of HOST has expired")
    assert "clock" in found.remedy


def test_an_intercepting_firewall(authority: Authority, tmp_path: Path) -> None:
    found = look(secure(Authority.make("Firewall").issue(tmp_path)), authority)
    assert found.severity == "error"
    assert found.message.startswith("the certificate of HOST comes from an authority that this machine does not know: ")
    assert found.remedy.startswith("a firewall opens the connection; ask for an exception")


def test_a_certificate_of_another_host(authority: Authority, tmp_path: Path) -> None:
    found = look(secure(authority.issue(tmp_path, "elsewhere.example")), authority)
    assert (found.severity, found.message) == ("error", "the certificate of HOST is for another host")


def test_a_silent_server(authority: Authority) -> None:
    found = look(silent, authority)
    assert (found.severity, found.message) == ("error", "HOST accepts the connection and then says nothing for 0.5 s")
    assert found.remedy == "ask for outbound TCP to HOST; no proxy can carry AMQP"


def test_a_server_without_tls(authority: Authority) -> None:
    found = look(plain, authority)
    assert found.severity == "error"
    assert found.message.startswith("HOST does not speak TLS: ")


def test_a_service_on_loopback_without_tls(authority: Authority) -> None:
    with listening(plain) as host:
        found = network.tls(Host("api", host.name, host.port, secure=False))
        assert found == ok("tls-api", f"{host} answers, without TLS, as this environment asks")
        assert network.clock(Host("api", host.name, host.port, secure=False)).severity == "skipped"


def test_a_refusing_server(authority: Authority) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    found = network.tls(Host("amqp", "localhost", port), context=authority.trust(), timeout=TIMEOUT_S)
    assert (found.check, found.severity) == ("tls-amqp", "error")
    assert found.message == f"localhost:{port} refuses the connection: Connection refused"


def test_a_host_without_an_address(authority: Authority) -> None:
    found = network.tls(Host("api", "nowhere.invalid"), context=authority.trust(), timeout=TIMEOUT_S)
    assert found.severity == "error"
    assert found.message.startswith("nowhere.invalid has no address here: ")


@pytest.mark.parametrize(
    ("ahead_s", "severity", "words"),
    [(1, "ok", "behind"), (-120, "warning", "ahead of"), (120, "warning", "behind"), (3600, "error", "behind")],
)
def test_the_clock(ahead_s: float, severity: str, words: str, authority: Authority, tmp_path: Path) -> None:
    with listening(secure(authority.issue(tmp_path), ahead_s)) as host:
        found = network.clock(host, context=authority.trust())
    assert found.severity == severity
    match = re.fullmatch(r"this machine's clock is (\d+) s (behind|ahead of) localhost", found.message)
    assert match is not None
    assert abs(int(match[1]) - abs(ahead_s)) <= 3
    assert severity == "ok" or match[2] == words


def test_a_server_that_tells_no_time(authority: Authority, tmp_path: Path) -> None:
    with listening(secure(authority.issue(tmp_path))) as host:
        found = network.clock(host, context=authority.trust())
    assert (found.severity, found.message) == ("skipped", f"{host} tells no time")


AMQP_OK, AMQP_ERROR = ok("tls-amqp", "fine"), error("tls-amqp", "no answer", "ask")


@pytest.mark.parametrize(
    ("environment", "amqp", "severity", "message"),
    [
        ({}, AMQP_ERROR, "ok", "no proxy is set; all traffic goes direct"),
        ({"HTTPS_PROXY": ""}, AMQP_OK, "ok", "no proxy is set; all traffic goes direct"),
        ({"https_proxy": "http://p:3128"}, AMQP_OK, "ok", "https_proxy is set for REST; AMQP goes direct"),
        ({"HTTPS_PROXY": "http://p:3128"}, AMQP_ERROR, "error", "HTTPS_PROXY is set, and AMQP cannot go direct"),
    ],
)
def test_proxies(environment: dict[str, str], amqp: Finding, severity: str, message: str) -> None:
    found = network.proxies(environment, amqp)
    assert (found.severity, found.message) == (severity, message)


def test_interfaces() -> None:
    assert network.interface("lo") == ok("interface", "`lo` has the address 127.0.0.1")
    missing = network.interface("hsn99")
    assert missing.severity == "error"
    assert missing.message.startswith("`hsn99` does not exist here; there are: lo (127.0.0.1)")
    assert missing.remedy == "render with --option interface=NAME"
    assert network.interface(None).severity == "ok"
