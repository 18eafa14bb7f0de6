"""Checks of the way out: direct TLS to the service's hosts, proxies, the clock, and the interface that compute nodes reach."""

import fcntl
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pyhf_endpoint.doctor.finding import Finding, error, ok, skipped, warning

__all__ = ["Host", "address_of", "clock", "interface", "proxies", "tls"]

_TIMEOUT_S = 10.0
_SKEW_WARNING_S, _SKEW_ERROR_S = 30, 300  # tokens are refused some minutes off; AMQP and logs are confusing before
_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface


@dataclass(frozen=True)
class Host:
    """A host of the service.

    Attributes:
        purpose: What it is for, `api` or `amqp`.
        name: Its host name.
        port: Its TCP port.
        secure: Whether it speaks TLS; a service on loopback, for tests, may not.
    """

    purpose: str
    name: str
    port: int = 443
    secure: bool = True

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def tls(host: Host, *, context: ssl.SSLContext | None = None, timeout: float = _TIMEOUT_S) -> Finding:
    """Connect to a host directly, as AMQP must, and verify its certificate.

    Args:
        host: The host.
        context: What to trust; None takes the system's authorities.
        timeout: Seconds to wait for each step.
    """
    check = f"tls-{host.purpose}"
    firewall = f"ask for outbound TCP to {host}; no proxy can carry AMQP"
    try:
        raw = socket.create_connection((host.name, host.port), timeout=timeout)
    except socket.gaierror as fault:
        return error(
            check, f"{host.name} has no address here: {fault.strerror}", "mend name resolution on this node, or use another"
        )
    except TimeoutError:
        return error(check, f"{host} does not answer within {timeout:g} s", firewall)
    except OSError as fault:
        return error(check, f"{host} refuses the connection: {fault.strerror}", firewall)
    with raw:
        if not host.secure:
            return ok(check, f"{host} answers, without TLS, as this environment asks")
        try:
            with (context or ssl.create_default_context()).wrap_socket(raw, server_hostname=host.name) as secure:
                return ok(check, f"{host} answers directly with {secure.version()} and a valid certificate")
        except ssl.SSLCertVerificationError as fault:
            return _bad_certificate(check, host, fault)
        except TimeoutError:
            return error(check, f"{host} accepts the connection and then says nothing for {timeout:g} s", firewall)
        except (ssl.SSLError, OSError) as fault:
            return error(check, f"{host} does not speak TLS: {fault}", firewall)


def _bad_certificate(check: str, host: Host, fault: ssl.SSLCertVerificationError) -> Finding:
    reason = fault.verify_message
    if "expired" in reason:
        return error(
            check, f"the certificate of {host} has expired", "look at this machine's clock; if it is right, wait for the service"
        )
    if "mismatch" in reason or "not valid for" in reason:
        return error(
            check,
            f"the certificate of {host} is for another host",
            "something answers in the service's place; ask the network's staff",
        )
    return error(
        check,
        f"the certificate of {host} comes from an authority that this machine does not know: {reason}",
        "a firewall opens the connection; ask for an exception for this host, since AMQP cannot go through it",
    )


def proxies(environment: Mapping[str, str], amqp: Finding) -> Finding:
    """Look at the proxy variables, given what the direct connection to AMQP found."""
    set_ = {name: value for name, value in environment.items() if name.lower() in ("https_proxy", "all_proxy") and value}
    if not set_:
        return ok("proxy", "no proxy is set; all traffic goes direct")
    named = ", ".join(sorted(set_))
    if amqp.severity == "error":
        remedy = f"a proxy serves REST alone; ask for direct outbound TLS as well ({amqp.message})"
        return error("proxy", f"{named} is set, and AMQP cannot go direct", remedy)
    return ok("proxy", f"{named} is set for REST; AMQP goes direct")


def clock(host: Host, *, context: ssl.SSLContext | None = None, timeout: float = _TIMEOUT_S) -> Finding:
    """Compare this machine's clock with the `Date` that the API's web server sends."""
    if not host.secure:
        return skipped("clock", f"{host} is no service to take the time from")
    try:
        raw = socket.create_connection((host.name, host.port), timeout=timeout)
        with raw, (context or ssl.create_default_context()).wrap_socket(raw, server_hostname=host.name) as secure:
            secure.sendall(f"HEAD / HTTP/1.1\r\nHost: {host.name}\r\nConnection: close\r\n\r\n".encode())
            head = _head(secure)
    except OSError as fault:
        return skipped("clock", f"{host} tells no time: {fault}")
    dates = [line[5:].strip() for line in head.splitlines() if line.lower().startswith("date:")]
    if not dates:
        return skipped("clock", f"{host} tells no time")
    skew = time.time() - parsedate_to_datetime(dates[0]).timestamp()
    message = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {host.name}"
    if abs(skew) >= _SKEW_ERROR_S:
        return error("clock", message, "set the clock (NTP); tokens are refused like this")
    if abs(skew) >= _SKEW_WARNING_S:
        return warning("clock", message, "set the clock (NTP)")
    return ok("clock", message)


def _head(connection: ssl.SSLSocket) -> str:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < 16_384:
        part = connection.recv(4096)
        if not part:
            break
        data += part
    return data.decode("latin-1")


def interface(name: str | None) -> Finding:
    """Look for the network interface that compute nodes are to reach."""
    present = {each: address_of(each) for _, each in socket.if_nameindex()}
    listed = ", ".join(f"{each} ({address or 'no IPv4 address'})" for each, address in present.items())
    if name is None:
        return ok("interface", f"none is named; workers try all addresses of this machine: {listed}")
    if name not in present:
        return error("interface", f"`{name}` does not exist here; there are: {listed}", "render with --option interface=NAME")
    if present[name] is None:
        return error("interface", f"`{name}` has no IPv4 address; there are: {listed}", "render with --option interface=NAME")
    return ok("interface", f"`{name}` has the address {present[name]}")


def address_of(name: str) -> str | None:
    """Return the IPv4 address of an interface, None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
