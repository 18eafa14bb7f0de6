"""The glue between Cobalt and Parsl: a provider of blocks of nodes; importing it imports Parsl."""

import logging
import os
import pwd
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import AprunLauncher
from parsl.providers.cluster_provider import ClusterProvider
from parsl.providers.errors import ScriptPathError, SubmitException
from parsl.utils import RepresentationMixin

from pyhf_endpoint import process
from pyhf_endpoint.cobalt import commands, script, status
from pyhf_endpoint.errors import InputError, ProgramError, list_faults

__all__ = ["CobaltProvider"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """A submitted job: its files, and since when `qstat` has not listed it, in seconds of the provider's clock."""

    script: Path
    missing_since: float | None = None

    def file(self, kind: str) -> Path:
        return self.script.with_name(f"{self.script.name}.{kind}")

    def log(self) -> str:
        with suppress(OSError):
            return self.file("cobaltlog").read_text(encoding="utf-8", errors="replace")
        return ""

    def status(self, state: status.State, message: str | None = None, exit_code: int | None = None) -> Any:
        return JobStatus(
            JobState[state], message, exit_code, stdout_path=str(self.file("stdout")), stderr_path=str(self.file("stderr"))
        )


class CobaltProvider(ClusterProvider, RepresentationMixin):  # type: ignore[misc] # Parsl's classes have no published types
    """Blocks of nodes from Cobalt.

    Everything that a job writes lies in `script_dir`, which the executor sets, and is named after the job: script, `.stdout`,
    `.stderr` and `.cobaltlog`.

    Args:
        nodes_per_block: Nodes per job.
        cores_per_node: Cores of a node, for Parsl to count workers by; Cobalt itself hands out whole nodes.
        init_blocks: Jobs submitted at the start.
        min_blocks: Jobs kept.
        max_blocks: Most jobs at a time.
        parallelism: Ratio of task slots asked for to tasks waiting.
        walltime: Text: minutes, HH:MM, HH:MM:SS or DD:HH:MM:SS; at least a minute.
        account: The project that is charged.
        queue: The queue.
        attrs: Attributes of the job as Cobalt writes them, `filesystems=home:ssds=required`.
        scheduler_options: Further options, each line starting with `#COBALT `; the arguments above win over them.
        worker_init: Shell text that prepares a node; Cobalt passes none of this process's environment.
        launcher: What starts the workers on the nodes; None is `AprunLauncher()`: where there is an aprun, job scripts run on a
            service node, and a launcher that stays on it would put the work there. Machines without aprun need another.
        cmd_timeout: Seconds that qsub, qstat and qdel may take.

    Attributes:
        runner: What runs the commands.
        clock: Seconds from any start, for the grace that a vanished job gets.

    Raises:
        InputError: The walltime or the option lines are such that Cobalt would refuse or misread them.
        BadLauncher: `launcher` is none.
    """

    def __init__(
        self,
        nodes_per_block: int = 1,
        cores_per_node: int | None = None,
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1,
        walltime: str = "00:20:00",
        account: str | None = None,
        queue: str | None = None,
        attrs: str = "",
        scheduler_options: str = "",
        worker_init: str = "",
        launcher: Any = None,
        cmd_timeout: float = 120,
    ) -> None:
        super().__init__(
            "cobalt",
            nodes_per_block,
            init_blocks,
            min_blocks,
            max_blocks,
            parallelism,
            walltime,
            AprunLauncher() if launcher is None else launcher,
            cmd_timeout=cmd_timeout,
        )
        self.cores_per_node = cores_per_node
        self.mem_per_node = None  # Parsl expects the attribute; Cobalt knows no memory
        self.account = account
        self.queue = queue
        self.attrs = attrs
        self.scheduler_options = scheduler_options
        self.worker_init = worker_init
        self.runner: process.Runner = process.run
        self.clock = time.monotonic
        self._minutes = self._checked()
        self._jobs: dict[str, _Job] = {}

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the jobs, as long as with Parsl's other schedulers."""
        return 60

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl") -> str:
        """Submit one block.

        Args:
            command: Shell text that starts one worker pool.
            tasks_per_node: Worker pools per node.
            job_name: Start of the job's name; a time is added.

        Returns:
            The job's id.

        Raises:
            ScriptPathError: The script cannot be written.
            SubmitException: qsub cannot be run, refuses the job or prints no id.
        """
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', job_name)}.{time.time_ns()}"
        job = self._write(name, command, tasks_per_node)
        argv = commands.qsub_argv(self._submission(name, job))
        try:
            answer = self.runner(argv, timeout=self.cmd_timeout)
        except ProgramError as error:
            raise SubmitException(name, str(error)) from error
        job_id = commands.parse_job_id(answer.stdout)
        if answer.returncode != 0 or job_id is None:
            why = (
                "qsub refused the job" if answer.returncode else "qsub printed no job id; look with qstat whether there is a job"
            )
            raise SubmitException(name, f"{why} ({' '.join(argv)})", answer.stdout, answer.stderr, answer.returncode)
        self.resources[job_id] = {"job_id": job_id, "status": job.status(status.State.PENDING)}
        self._jobs[job_id] = job  # last: a status thread takes what is here to be in `resources` too
        return job_id

    def _status(self) -> None:
        """Bring the status of all jobs up to date; where Cobalt gives no answer, all stay as they are."""
        # Taken before qstat runs: a job that another thread submits meanwhile is not in its answer, and not missing.
        open_jobs = [(job_id, job) for job_id, job in list(self._jobs.items()) if not self.resources[job_id]["status"].terminal]
        if not open_jobs:
            return
        argv = commands.qstat_argv(pwd.getpwuid(os.getuid()).pw_name)
        try:
            answer = self.runner(argv, timeout=self.cmd_timeout)
        except ProgramError as error:
            logger.warning("The jobs' states stay as they were: %s", error)
            return
        live = status.parse_qstat(answer)
        if live is None:
            logger.warning("The jobs' states stay as they were: `%s` gave no list but %s", " ".join(argv), answer)
            return
        for job_id, job in open_jobs:
            new = self._look(job, live.get(job_id))
            # A cancellation by another thread stands.
            if new is not None and not self.resources[job_id]["status"].terminal:
                self.resources[job_id]["status"] = new

    def cancel(self, job_ids: Sequence[str]) -> list[bool]:
        """End jobs.

        Returns:
            For each id whether it is gone; all or none are, as one command ends them.
        """
        if not job_ids:
            return []
        try:
            answer = self.runner(commands.qdel_argv(job_ids), timeout=self.cmd_timeout)
        except ProgramError as error:
            logger.warning("Jobs %s are not cancelled: %s", ", ".join(job_ids), error)
            return [False] * len(job_ids)
        if answer.returncode != 0:
            logger.warning("Jobs %s are not cancelled: qdel gave %s", ", ".join(job_ids), answer)
            return [False] * len(job_ids)
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            if job is not None and not self.resources[job_id]["status"].terminal:
                self.resources[job_id]["status"] = job.status(status.State.CANCELLED)
        return [True] * len(job_ids)

    def _checked(self) -> int:
        """Return the walltime in minutes, or raise with all that is wrong with what Cobalt will read."""
        faults = list(script.option_faults(self.scheduler_options, self.attrs))
        minutes = 0
        try:
            minutes = commands.walltime_minutes(self.walltime)
        except InputError as error:
            faults.insert(0, str(error))
        if faults:
            raise InputError(list_faults("CobaltProvider", faults))
        return minutes

    def _write(self, name: str, command: str, tasks_per_node: int) -> _Job:
        if not self.script_dir:
            raise SubmitException(name, "script_dir is not set; an executor sets it at its start")
        folder = Path(self.script_dir).absolute()
        if " " in str(folder):
            raise SubmitException(
                name, f"qsub finds no script in `{folder}`, as it drops the blanks; run in a folder without any"
            )
        launched = self.launcher(command, tasks_per_node, self.nodes_per_block, str(folder))
        text = script.render(script.JobScript(name, self.scheduler_options, self.worker_init, launched, self.cores_per_node))
        path = folder / name
        try:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o700)  # Cobalt runs no script that is not executable
        except OSError as error:
            raise ScriptPathError(str(path), error) from error
        return _Job(path)

    def _submission(self, name: str, job: _Job) -> commands.Submission:
        return commands.Submission(
            script=job.script,
            job_name=name,
            nodes=self.nodes_per_block,
            minutes=self._minutes,
            account=self.account,
            queue=self.queue,
            attrs=self.attrs,
            cwd=job.script.parent,
            stdout=job.file("stdout"),
            stderr=job.file("stderr"),
            debug_log=job.file("cobaltlog"),
        )

    def _look(self, job: _Job, listed: status.State | None) -> Any:
        """Return a job's new status, or None where nothing is known beyond the one it has."""
        if listed is None:
            if job.missing_since is None:
                job.missing_since = self.clock()
            ending = status.ending_of_missing(job.log(), self.clock() - job.missing_since)
        else:
            job.missing_since = None
            # Only the log knows the exit code of what is listed as done.
            ending = status.parse_debug_log(job.log()) if listed is status.State.COMPLETED else None
        if ending is not None:
            return job.status(ending.state, ending.message, ending.exit_code)
        return None if listed is None else job.status(listed)
