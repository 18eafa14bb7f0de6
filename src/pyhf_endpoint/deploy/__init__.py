"""What an administrator does with an endpoint: deploy, start, stop, look after it, remove it."""

from pyhf_endpoint.deploy.daemon import Daemon, home
from pyhf_endpoint.deploy.deploy import Order, deploy, snippet, undeploy
from pyhf_endpoint.deploy.workers import Plan, Request, planned

__all__ = ["Daemon", "Order", "Plan", "Request", "deploy", "home", "planned", "snippet", "undeploy"]
