"""What the transport `scheduler` must know of a rendered endpoint configuration before anything is started."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pyhf_endpoint.errors import InputError, TransportError

__all__ = ["EngineConfiguration", "require_programs"]

# provider type -> what people call the scheduler, and the programs that the provider calls to submit, look and cancel
_PROGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "SlurmProvider": ("Slurm", ("sbatch", "squeue", "scancel")),
    "PBSProProvider": ("PBS Pro", ("qsub", "qstat", "qdel")),
    "TorqueProvider": ("Torque", ("qsub", "qstat", "qdel")),
    "CobaltProvider": ("Cobalt", ("qsub", "qstat", "qdel")),
    "LSFProvider": ("LSF", ("bsub", "bjobs", "bkill")),
    "GridEngineProvider": ("Grid Engine", ("qsub", "qstat", "qdel")),
    "CondorProvider": ("HTCondor", ("condor_submit", "condor_q", "condor_rm")),
}


@dataclass(frozen=True)
class EngineConfiguration:
    """The shape of what a configuration asks for.

    Attributes:
        text: The user endpoint configuration, YAML.
        provider: Type of the provider.
        blocks: Largest number of blocks (batch jobs) at a time.
        nodes: Nodes per block.
        workers: Workers per node, as far as the configuration tells; on a node with fewer cores there are fewer.
    """

    text: str
    provider: str
    blocks: int
    nodes: int
    workers: int

    @property
    def cancel_program(self) -> str:
        """The program that cancels jobs; empty where none is known."""
        _, programs = _PROGRAMS.get(self.provider, ("", ()))
        return programs[-1] if programs else ""

    @property
    def slots(self) -> int:
        """Chunks that run at once when all blocks run."""
        return self.blocks * self.nodes * self.workers

    @classmethod
    def parse(cls, text: str) -> "EngineConfiguration":
        """Read the text.

        Raises:
            InputError: The text is no YAML, or lacks an engine with a provider.
        """
        try:
            engine = yaml.safe_load(text)["engine"]
            provider = engine["provider"]
            kind = provider["type"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise InputError(
                f"the endpoint configuration has no `engine` with a `provider` ({type(error).__name__}: {error}); render it again"
            ) from error
        return cls(text, kind, provider.get("max_blocks") or 1, provider.get("nodes_per_block") or 1, _workers(engine, provider))


def _workers(engine: Mapping[str, Any], provider: Mapping[str, Any]) -> int:
    """The rule by which the engine itself estimates the workers of a node."""
    limits = [engine.get("max_workers_per_node")]
    if provider.get("cores_per_node"):
        limits.append(math.floor(provider["cores_per_node"] / engine.get("cores_per_worker", 1)))
    devices = engine.get("available_accelerators")
    limits.append(devices if isinstance(devices, int) else len(devices or ()))
    return max(1, min((int(limit) for limit in limits if limit), default=1))


def require_programs(configuration: EngineConfiguration, site: str, path: str | None) -> None:
    """Make sure that the scheduler's programs are here.

    Args:
        configuration: What will be started.
        site: Name of the site, for the message.
        path: Where to look, as the environment's PATH; None takes that of this process.

    Raises:
        TransportError: One of them is not found.
    """
    scheduler, programs = _PROGRAMS.get(configuration.provider, (configuration.provider, ()))
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if missing:
        raise TransportError(
            f"cannot reach the scheduler of {site} ({scheduler}): `{'`, `'.join(missing)}` not found on the PATH of this machine."
            f" Run the command on a login node of {site}, or compute here with `--site local`"
        )
