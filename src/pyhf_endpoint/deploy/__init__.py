"""What an administrator does with an endpoint: deploy, start, stop, look after it, remove it."""

from pyhf_endpoint.deploy.daemon import Daemon, home
from pyhf_endpoint.deploy.deploy import SNIPPET, Order, deploy, snippet, undeploy

__all__ = ["SNIPPET", "Daemon", "Order", "deploy", "home", "snippet", "undeploy"]
