"""A scripted conversation with Cobalt: qsub, qstat and qdel that say what they are told and write down what they hear."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("qsub", "qstat", "qdel")

# What the real commands printed; `...` stands for what varies.
SUBMITTED = "1\n"
NOTHING_QUEUED = "JobID  State  \n==============\n"
DELETED = "      Deleted Jobs\nJobID  User  \n=============\n1      root  \n"
SERVER_DOWN = "component error: ...\n"

_PROGRAM = """#!{python} -IS
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "heard").open("a") as heard:
    heard.write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
lines = sorted(folder.glob(pathlib.Path(sys.argv[0]).name + ".*.json"))
line = json.loads(lines[0].read_text())
if len(lines) > 1:
    lines[0].unlink()
sys.stdout.write(line["stdout"])
sys.stderr.write(line["stderr"])
sys.exit(line["returncode"])
"""


def listing(**states: str) -> str:
    """What `qstat --header JobID:State` prints of jobs named job1, job2, ..."""
    rows = [f"{name.removeprefix('job'):<5}  {state:<11}" for name, state in states.items()]
    return "\n".join(["JobID  State      ", "==================", *rows, ""])


@dataclass
class Conversation:
    """The programs in a folder, and what passes between them and the provider."""

    folder: Path
    said: int = 0

    def __post_init__(self) -> None:
        for program in PROGRAMS:
            path = self.folder / "bin" / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_PROGRAM.format(python=sys.executable, folder=str(self.folder)), encoding="utf-8")
            path.chmod(0o755)

    def say(self, program: str, stdout: str = "", *, stderr: str = "", returncode: int = 0) -> None:
        """Let the next call of a program answer so; the last answer is given again and again."""
        self.said += 1
        line = {"stdout": stdout, "stderr": stderr, "returncode": returncode}
        (self.folder / f"{program}.{self.said:03}.json").write_text(json.dumps(line), encoding="utf-8")

    def now(self, program: str, stdout: str = "", *, stderr: str = "", returncode: int = 0) -> None:
        """Let a program answer so from now on, whatever it was told before."""
        for line in self.folder.glob(f"{program}.*.json"):
            line.unlink()
        self.say(program, stdout, stderr=stderr, returncode=returncode)

    def heard(self) -> list[list[str]]:
        path = self.folder / "heard"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
