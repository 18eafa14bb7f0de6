"""What an administrator does with an endpoint: deploy, start, stop, look after it, remove it."""

from pyhf_endpoint.deploy.daemon import Daemon, home
from pyhf_endpoint.deploy.deploy import SNIPPET, Order, deploy, files, snippet, undeploy
from pyhf_endpoint.deploy.multiuser import MultiUser, check_environment, require_root
from pyhf_endpoint.deploy.workers import Plan, Request, planned

__all__ = [
    "SNIPPET",
    "Daemon",
    "MultiUser",
    "Order",
    "Plan",
    "Request",
    "check_environment",
    "deploy",
    "files",
    "home",
    "planned",
    "require_root",
    "snippet",
    "undeploy",
]
