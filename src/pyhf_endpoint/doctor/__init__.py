"""What an administrator wants to know before a site is deployed: small named checks, each with its remedy, without privileges."""

import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.doctor import batch, machine, network, quota, software
from pyhf_endpoint.doctor.finding import SEVERITIES, Finding, Severity
from pyhf_endpoint.doctor.network import Host
from pyhf_endpoint.process import Runner, run
from pyhf_endpoint.profiles import Resolved

__all__ = ["SEVERITIES", "Finding", "Host", "Patient", "Severity", "examine", "worst"]


@dataclass(frozen=True)
class Patient:
    """What is examined.

    Attributes:
        use: The site, as it is to be used.
        run_directory: Where blocks leave their files.
        hosts: The service's hosts, the API's first and AMQP's last; none where no service is used.
        environment: The workers' virtual environment; None where they run in an image.
        image: The image's path or address; None where workers run in a virtual environment.
        trust: The authorities to trust; None for the system's.
        runner: What runs other programs.
    """

    use: Resolved
    run_directory: Path
    hosts: tuple[Host, ...] = ()
    environment: Path | None = None
    image: str | None = None
    trust: ssl.SSLContext | None = None
    runner: Runner = run


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield the finding of every check, as it is made."""
    use, local = patient.use, patient.use.profile.scheduler.kind == "local"
    checks: tuple[Callable[[], Finding], ...] = (
        lambda: batch.commands(use),
        lambda: batch.account(use),
        lambda: batch.queue(use, patient.runner),
        lambda: network.interface(use["interface"] if use["interface"] != "unknown" else None),
        lambda: machine.run_directory(patient.run_directory, one_machine=local),
        lambda: machine.space(patient.run_directory),
        lambda: quota.files(patient.run_directory),
        lambda: quota.quota(patient.run_directory, patient.runner),
        lambda: machine.container(use),
        lambda: machine.image(patient.image),
        lambda: machine.driver(use, patient.runner),
        software.endpoint_package,
        lambda: software.versions(patient.environment, patient.runner),
    )
    for check in checks:
        yield check()
    found = []
    for host in patient.hosts:
        found.append(network.tls(host, context=patient.trust))
        yield found[-1]
    if patient.hosts:
        yield network.clock(patient.hosts[0], context=patient.trust)
        yield network.proxies(os.environ, found[-1])


def worst(findings: list[Finding]) -> Severity:
    """Return the worst severity among findings."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")
