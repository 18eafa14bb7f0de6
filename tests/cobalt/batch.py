"""A batch system of one machine behind Cobalt's commands: qsub really runs the script, in an environment as empty as Cobalt's.

Installed as qsub, qstat and qdel. In the folder of its state, `ID.live` is there while a job lives, `ID.group` holds its process
group, `ID.log` the path of its debug log, and `heard` every command line.
"""

import json
import os
import signal
import sys
from pathlib import Path

import psutil

PROGRAMS = ("qsub", "qstat", "qdel")

_PROGRAM = r"""#!{python} -IS
import json, os, pathlib, signal, subprocess, sys
state = pathlib.Path({state!r})
program, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with (state / "heard").open("a") as heard:
    heard.write(json.dumps([program, *arguments]) + "\n")

def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)

if program == "qsub":
    options = dict(zip(arguments[:-1:2], arguments[1:-1:2]))
    script = arguments[-1]
    if "-n" not in options:
        fail("'nodecount' not provided")
    if "-t" not in options:
        fail("'time' not provided")
    if not os.access(script, os.X_OK):
        fail(f"command {{script}} is not executable")
    number = 1 + len(list(state.glob("*.log")))
    (state / f"{{number}}.log").write_text(options["--debuglog"])
    (state / f"{{number}}.nodes").write_text("localhost\n")
    supervisor = (
        '"$1"; code=$?; [ -e "$2" ] || exit 0; '
        'echo "... task completed normally with an exit code of $code" >> "$3"; rm "$2"'
    )
    live = state / f"{{number}}.live"
    live.touch()
    environ = {{"PATH": "/usr/bin:/bin", "HOME": str(state), "COBALT_JOBID": str(number)}}
    environ["COBALT_NODEFILE"] = str(state / f"{{number}}.nodes")
    with open(options["-o"], "wb") as out, open(options["-e"], "wb") as err:
        job = subprocess.Popen(
            ["/bin/sh", "-c", supervisor, "job", script, str(live), options["--debuglog"]],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=options["--cwd"], start_new_session=True,
            env=environ,
        )
    (state / f"{{number}}.group").write_text(str(job.pid))
    print(number)
    job.returncode = 0  # it is nobody's business here when the job ends
elif program == "qstat":
    assert arguments[2:] == ["--header", "JobID:State"], arguments
    print("JobID  State    ")
    print("================")
    for live in sorted(state.glob("*.live")):
        print(f"{{live.stem:<5}}  running  ")
else:
    print("      Deleted Jobs")
    for number in arguments:
        live = state / f"{{number}}.live"
        if live.exists():
            group = int((state / f"{{number}}.group").read_text())
            with open((state / f"{{number}}.log").read_text(), "a") as log:
                log.write("... user delete requested ...\n")
            live.unlink()
            os.killpg(group, signal.SIGTERM)
            print(f"{{number}}      user")
"""


class Batch:
    """The programs in a folder, and the jobs that they have started."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.bin = folder / "bin"
        for path in (self.state, self.bin):
            path.mkdir(parents=True)
        for name in PROGRAMS:
            program = self.bin / name
            program.write_text(_PROGRAM.format(python=sys.executable, state=str(self.state)), encoding="utf-8")
            program.chmod(0o755)

    def heard(self, program: str) -> list[list[str]]:
        """The arguments of every call of a program."""
        path = self.state / "heard"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        return [arguments for name, *arguments in lines if name == program]

    def live(self) -> list[str]:
        """The ids of the jobs that live."""
        return sorted(path.stem for path in self.state.glob("*.live"))

    def processes(self) -> list[psutil.Process]:
        """Everything alive in the sessions of all jobs ever started."""
        sessions = {int(group.read_text(encoding="utf-8")) for group in self.state.glob("*.group")}
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def end(self) -> None:
        """End whatever is still there of the jobs."""
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
