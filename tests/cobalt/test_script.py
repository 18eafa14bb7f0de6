"""Job scripts as whole texts, and option lines that Cobalt would misread."""

import subprocess
from pathlib import Path

import pytest
from parsl.launchers import AprunLauncher, MpiExecLauncher, SimpleLauncher, SingleNodeLauncher

from pyhf_endpoint.cobalt.script import JobScript, option_faults, render

WHOLE = """\
#!/bin/bash
#COBALT --attrs filesystems=home:ssds=required
#COBALT --env A=1:B=2

export JOBNAME=parsl.fits.block-0.1
export PARSL_CORES=64
if [ -n "${COBALT_NODEFILE:-}" ]; then export PBS_NODEFILE="$COBALT_NODEFILE"; fi

module load conda
conda activate fits

set -e
WORKERCOUNT=4
SCRIPT_DIR="/run"
[[ -d $SCRIPT_DIR ]] || SCRIPT_DIR=""

cat << APRUN_EOF > ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh
work --hard
APRUN_EOF
chmod a+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh

aprun -n 4 -N 2 -cc depth -d 64 -j 1 /bin/bash ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh &
wait

[[ "1" == "1" ]] && echo "Done"
true
"""

SMALLEST = """\
#!/bin/bash

export JOBNAME=job
if [ -n "${COBALT_NODEFILE:-}" ]; then export PBS_NODEFILE="$COBALT_NODEFILE"; fi

work
"""


def test_a_script_with_everything() -> None:
    # The blank lines among the options would end them.
    options = "\n#COBALT --attrs filesystems=home:ssds=required\n\n#COBALT --env A=1:B=2\n"
    launched = AprunLauncher(overrides="-cc depth -d 64 -j 1")("work --hard", 2, 2, "/run")
    text = render(JobScript("parsl.fits.block-0.1", options, "module load conda\nconda activate fits\n", launched, 64))
    assert text == WHOLE


def test_a_script_with_nothing() -> None:
    assert render(JobScript("job", "", " \n", "work", None)) == SMALLEST


def run_script(text: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = folder / "job"
    path.write_text(text)
    path.chmod(0o700)
    return subprocess.run([path], env={"PATH": "/usr/bin:/bin", **env}, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("code", [0, 3])
def test_the_scripts_exit_code_is_the_commands(code: int, tmp_path: Path) -> None:
    assert run_script(render(JobScript("job", "", "", SimpleLauncher()(f"exit {code}", 1, 1), None)), tmp_path).returncode == code


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("code", [0, 3])
def test_with_a_launcher_that_ends_in_a_test_too(code: int, debug: bool, tmp_path: Path) -> None:
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text(f'#!/bin/sh\ncat "$PBS_NODEFILE"\nexit {code}\n')
    mpiexec.chmod(0o700)
    (tmp_path / "nodes").write_text("cn01\ncn02\n")
    text = render(JobScript("job", "", "", MpiExecLauncher(debug=debug)("work", 1, 2, str(tmp_path)), None))
    ended = run_script(text, tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin", COBALT_NODEFILE=str(tmp_path / "nodes"))
    assert ended.returncode == code, ended.stderr
    assert "cn01\ncn02\n" in ended.stdout
    assert (tmp_path / "job.nodes").read_text() == "cn01\ncn02\n"


def test_the_job_name_and_the_cores_reach_the_command(tmp_path: Path) -> None:
    launched = SingleNodeLauncher(debug=False)('echo "$JOBNAME $PARSL_CORES ${PBS_NODEFILE-none}"', 1, 1)
    assert run_script(render(JobScript("job", "", "", launched, 8)), tmp_path).stdout == "job 8 none\n"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("#PBS -l select=1", "`#PBS -l select=1` does not start with `#COBALT `, where Cobalt stops reading"),
        (" #COBALT -q debug", "` #COBALT -q debug` does not start with"),
        ("#COBALT\t-q debug", "does not start with"),
        ("#COBALT --attrs 'a=1:b=x y'", "has quotes, which Cobalt takes literally"),
        ('#COBALT --jobname "two words"', "has quotes"),
        ("#COBALT --jobname two words", "`words` in `#COBALT --jobname two words` belongs to no option"),
        ("#COBALT stray -q debug", "`stray` in"),
        ("#COBALT --attrs=a=1 stray", "`stray` in"),
    ],
)
def test_an_option_line_that_cobalt_would_misread_is_a_fault(options: str, fault: str) -> None:
    faults = list(option_faults(options, ""))
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("options", "attrs", "times"),
    [
        ("#COBALT --attrs a=1", "b=2", 2),
        ("#COBALT --attrs a=1\n#COBALT --attrs=b=2", "", 2),
        ("#COBALT --attrs a=1 --at b=2", "c=3", 3),
    ],
)
def test_attributes_given_twice_are_a_fault(options: str, attrs: str, times: int) -> None:
    assert list(option_faults(options, attrs)) == [
        f"--attrs is given {times} times, which qsub refuses; join them into one `attrs`, as in a=1:b=x,y"
    ]


@pytest.mark.parametrize(
    ("options", "attrs"),
    [
        ("", ""),
        ("", "a=1:b=x,y"),
        ("#COBALT --attrs a=1:b=x,y\n#COBALT -A atlas -q debug --env A=1 --env B=2", ""),
        ("\n#COBALT -h\n\n#COBALT --preemptable -q debug  \n", "a=1"),
    ],
)
def test_what_cobalt_reads_rightly_is_no_fault(options: str, attrs: str) -> None:
    assert list(option_faults(options, attrs)) == []
