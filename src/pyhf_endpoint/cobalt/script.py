"""The text of a Cobalt job script, and the rules for the option lines at its top."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["JobScript", "option_faults", "render"]

_PREFIX = "#COBALT "
# How most of Parsl's launchers end. Without debug output the test is false: exit code 1 for a script that went well.
_LAST_LINE_IS_A_TEST = re.compile(r"\[\[ .* \]\] && echo [^\n]*\s*\Z")


@dataclass(frozen=True, slots=True)
class JobScript:
    """What a job script is made of.

    Attributes:
        job_name: Passed on as JOBNAME, after which Parsl's launchers name their files.
        scheduler_options: Lines that start with `#COBALT `; see `option_faults`.
        worker_init: Shell text that prepares the node.
        launched: Shell text that runs the command on all nodes: what a launcher returned.
        cores_per_node: Passed on as PARSL_CORES; None passes nothing on.
    """

    job_name: str
    scheduler_options: str
    worker_init: str
    launched: str
    cores_per_node: int | None


def render(script: JobScript) -> str:
    """Return the script's whole text.

    Cobalt reads `#COBALT` lines only directly after the first line, up to the first that is none: blank ones are left out.
    """
    parts = ["\n".join(["#!/bin/bash", *_lines(script.scheduler_options)]), _exports(script)]
    if script.worker_init.strip():
        parts.append(script.worker_init.rstrip("\n"))
    launched = script.launched.rstrip("\n")
    if _LAST_LINE_IS_A_TEST.search(launched):
        launched += "\ntrue"
    return "\n\n".join([*parts, launched]) + "\n"


def option_faults(scheduler_options: str, attrs: str) -> Iterator[str]:
    """Yield what is wrong with the option lines, each with its remedy.

    Cobalt splits them on whitespace and knows no quotes: a word too many makes it ignore every later option, in silence.

    Args:
        scheduler_options: The lines.
        attrs: The attributes that go to the command line, where `--attrs` counts too.
    """
    given = 1 if attrs else 0
    for line in _lines(scheduler_options):
        if not line.startswith(_PREFIX):
            yield f"scheduler_options: `{line}` does not start with `{_PREFIX}`, where Cobalt stops reading; correct or drop it"
            continue
        words = line.removeprefix(_PREFIX).split()
        given += sum(map(_is_attrs, words))
        if '"' in line or "'" in line:
            yield f"scheduler_options: `{line}` has quotes, which Cobalt takes literally; write values without spaces or quotes"
        elif stray := _stray_word(words):
            yield f"scheduler_options: `{stray}` in `{line}` belongs to no option; Cobalt would ignore all that follow"
    if given > 1:
        yield f"--attrs is given {given} times, which qsub refuses; join them into one `attrs`, as in a=1:b=x,y"


def _lines(scheduler_options: str) -> list[str]:
    return [line.rstrip() for line in scheduler_options.splitlines() if line.strip()]


def _is_attrs(word: str) -> bool:
    name = word.partition("=")[0]
    return len(name) > 2 and "--attrs".startswith(name)  # qsub takes abbreviations


def _stray_word(words: list[str]) -> str | None:
    takes_value = False
    for word in words:
        if not word.startswith("-") and not takes_value:
            return word
        takes_value = word.startswith("-") and not (word.startswith("--") and "=" in word)
    return None


def _exports(script: JobScript) -> str:
    lines = [f"export JOBNAME={shlex.quote(script.job_name)}"]
    if script.cores_per_node is not None:
        lines.append(f"export PARSL_CORES={script.cores_per_node}")
    # Parsl's MPI launchers read the nodes from PBS's variable, and start all on one node without it.
    lines.append('if [ -n "${COBALT_NODEFILE:-}" ]; then export PBS_NODEFILE="$COBALT_NODEFILE"; fi')
    return "\n".join(lines)
