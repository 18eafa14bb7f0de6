"""A stand-in for the web service of Globus Compute and the slice of Globus Auth that its endpoints and clients use, on loopback.

It speaks what globus-compute-endpoint and globus-compute-sdk 4.19 ask for, with a real RabbitMQ behind it, and holds its callers
to the hosted service's limits: bytes per request, requests per ten seconds.
"""

from tests.globus.standin.state import Caller, ServiceState
from tests.globus.standin.web import StandIn

__all__ = ["Caller", "ServiceState", "StandIn"]
