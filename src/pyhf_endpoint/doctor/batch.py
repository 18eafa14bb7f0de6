"""Checks of the batch system: its commands, the account, the queue and its limits."""

import json
import re
import shutil

from pyhf_endpoint.doctor.finding import Finding, error, ok, skipped, warning
from pyhf_endpoint.errors import ProgramError
from pyhf_endpoint.process import Runner
from pyhf_endpoint.profiles import Resolved

__all__ = ["COMMANDS", "account", "commands", "queue"]

#: The commands that a provider calls.
COMMANDS = {
    "slurm": ("sbatch", "squeue", "scancel", "sacct"),
    "pbspro": ("qsub", "qstat", "qdel"),
    "torque": ("qsub", "qstat", "qdel"),
    "cobalt": ("qsub", "qstat", "qdel"),
    "htcondor": ("condor_submit", "condor_q", "condor_rm"),
    "kubernetes": (),
    "local": (),
}


def commands(use: Resolved) -> Finding:
    """Look for the batch system's commands on PATH."""
    kind = use.profile.scheduler.kind
    needed = COMMANDS[kind]
    if not needed:
        return skipped("commands", f"{kind} needs none")
    missing = [command for command in needed if shutil.which(command) is None]
    if missing:
        return error("commands", f"{', '.join(missing)} not on PATH", f"run this on a login node of {use.profile.name}")
    return ok("commands", ", ".join(needed))


def account(use: Resolved) -> Finding:
    """See that an account is named where the site asks for one; `queue` has the batch system judge it, where it can."""
    rule = getattr(use.profile.scheduler, "account", None)
    if rule is None:
        return skipped("account", f"{use.profile.scheduler.kind} has none")
    if use["account"]:
        return ok("account", f"`{use['account']}`")
    if rule.required:
        return error("account", f"{use.profile.name} charges every job to an account", "give --account NAME")
    return ok("account", "none is needed")


def queue(use: Resolved, runner: Runner) -> Finding:
    """Ask the batch system about the queue and its limits, without submitting anything."""
    kind = use.profile.scheduler.kind
    if use["queue"] is None:
        return skipped("queue", f"{kind} has none")
    asked = {"slurm": _slurm, "pbspro": _pbs}.get(kind)
    if asked is None:
        return skipped("queue", f"{kind} cannot be asked about `{use['queue']}` without a job")
    try:
        return asked(use, runner)
    except ProgramError as fault:
        return error("queue", str(fault), f"run this on a login node of {use.profile.name}")


def _slurm(use: Resolved, runner: Runner) -> Finding:
    """`sbatch --test-only` has Slurm judge partition, account and limits as if the job were submitted."""
    scheduler = use.profile.scheduler
    by_qos = getattr(scheduler, "queue_is", "partition") == "qos"
    argv = ["sbatch", "--test-only", f"--nodes={use['nodes_per_block']}", f"--time={use['walltime']}"]
    argv += [f"--{'qos' if by_qos else 'partition'}={use['queue']}"]
    argv += [f"--account={use['account']}"] if use["account"] else []
    argv += [option for directive in use.directives for option in directive.split(" ", 1)]
    done = runner([*argv, "--wrap=true"], timeout=float(getattr(scheduler, "command_timeout_s", 60)))
    said = re.sub(r"^sbatch: (error: )?", "", (done.stderr or done.stdout).strip(), flags=re.MULTILINE)
    if done.returncode:
        return error(
            "queue",
            f"Slurm would refuse a job: {said}",
            f"choose with --queue and --account; `{' '.join(argv)} --wrap=true` asks again",
        )
    return ok("queue", f"Slurm would accept: {said}")


def _pbs(use: Resolved, runner: Runner) -> Finding:
    timeout = float(getattr(use.profile.scheduler, "command_timeout_s", 60))
    done = runner(["qstat", "-Q", "-f", "-F", "json", use["queue"]], timeout=timeout)
    if done.returncode:
        return error(
            "queue", f"PBS does not know it: {(done.stderr or done.stdout).strip()}", "choose with --queue; `qstat -Q` lists them"
        )
    found = json.loads(done.stdout).get("Queue", {}).get(use["queue"], {})
    off = [word for word in ("enabled", "started") if found.get(word) == "False"]
    if off:
        return warning("queue", f"`{use['queue']}` is not {' and not '.join(off)}", "jobs wait; choose another with --queue")
    limit = found.get("resources_max", {}).get("walltime")
    if limit is not None and _seconds(limit) < _seconds(use["walltime"]):
        return error("queue", f"`{use['queue']}` allows {limit}, less than {use['walltime']}", "give a shorter walltime")
    return ok("queue", f"`{use['queue']}` is enabled and started")


def _seconds(walltime: str) -> int:
    total = 0
    for part in walltime.split(":"):
        total = 60 * total + int(part)
    return total
