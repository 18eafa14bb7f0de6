"""Where the Globus Compute service is, by the SDK's own account of its environment."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pyhf_endpoint.service import require_environment

__all__ = ["Address", "addresses"]

_AMQP_PORT = 443  # what endpoints use by default, since firewalls let it through


@dataclass(frozen=True)
class Address:
    """A host of the service: what for (`api` or `amqp`), its name and port, and whether it speaks TLS."""

    purpose: str
    name: str
    port: int
    secure: bool


def addresses() -> tuple[Address, ...]:
    """Return the hosts that an endpoint talks to: the API's, then AMQP's, which a service without TLS tells only later.

    Raises:
        UsageError: GLOBUS_SDK_ENVIRONMENT names no environment; the SDK would take that for production without a word.
    """
    from globus_compute_sdk.sdk._environments import get_amqp_service_host, get_web_service_url

    require_environment()
    api = urlsplit(get_web_service_url())
    if api.scheme != "https":
        return (Address("api", api.hostname or "", api.port or 80, secure=False),)
    return (
        Address("api", api.hostname or "", api.port or 443, secure=True),
        Address("amqp", get_amqp_service_host(), _AMQP_PORT, secure=True),
    )
