"""Other programs, run for real."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from pyhf_endpoint.errors import ProgramError, ProgramMissingError, ProgramTimeoutError
from pyhf_endpoint.process import Completed, run


def test_a_program_ends_with_its_code_and_what_it_printed() -> None:
    ended = run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=60)
    assert ended == Completed(3, "out\n", "err\n")


def test_no_shell_reads_the_arguments() -> None:
    assert run(["printf", "%s|", "a b", "$HOME", "*", "`id`", ""], timeout=60).stdout == "a b|$HOME|*|`id`||"


def test_input_environment_and_folder_are_what_is_given(tmp_path: Path) -> None:
    ended = run(["/bin/sh", "-c", "cat; env; pwd"], timeout=60, stdin="in\n", env={"ONLY": "this"}, cwd=tmp_path)
    assert ended.stdout.startswith("in\n")
    assert "ONLY=this\n" in ended.stdout
    assert "HOME=" not in ended.stdout
    assert ended.stdout.endswith(f"{tmp_path.resolve()}\n")


def test_a_program_that_reads_gets_an_end_not_the_terminal() -> None:
    assert run(["cat"], timeout=60) == Completed(0, "", "")


def test_a_program_may_close_its_input_unread() -> None:
    assert run(["true"], timeout=60, stdin="x" * 10_000_000) == Completed(0, "", "")


def test_what_is_no_utf8_is_shown_as_such() -> None:
    assert run(["printf", r"\377"], timeout=60).stdout == "\N{REPLACEMENT CHARACTER}"


def test_a_signal_is_a_negative_code() -> None:
    assert run(["sh", "-c", "kill -9 $$"], timeout=60).returncode == -9


def test_a_program_that_is_not_on_path_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissingError) as error:
        run(["qsub", "-n", "1"], timeout=60)
    assert str(error.value) == (
        f"`qsub` is not on PATH ({tmp_path}); install it, load the module that brings it, or work on a machine that has it "
        "(batch commands live on login nodes)"
    )


def test_a_path_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError, match="`/no/such/program` does not exist or its interpreter does not"):
        run(["/no/such/program"], timeout=60)
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(ProgramMissingError, match="does not exist or its interpreter does not"):
        run([str(script)], timeout=60)


def test_what_is_not_executable_and_a_folder_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    with pytest.raises(ProgramError, match="cannot be started: Permission denied; make it executable"):
        run([str(tmp_path / "text")], timeout=60)
    with pytest.raises(ProgramError, match=r"cannot start in .*/nowhere: there is no such folder"):
        run(["true"], timeout=60, cwd=tmp_path / "nowhere")


def test_a_program_that_does_not_end_is_ended_with_its_descendants(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(ProgramTimeoutError, match=r"`sh -c .*` did not end within 0\.5 s and was ended"):
        run(["sh", "-c", f"sleep 600 & echo $! > {pid}; wait"], timeout=0.5)
    # The descendant is dead, if maybe not yet collected by whoever has inherited it.
    child = int(pid.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_descendant_that_left_the_group_does_not_hold_us_up(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time\nos.setsid()\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    with pytest.raises(ProgramTimeoutError):
        run(["sh", "-c", f'{sys.executable} -c "$0" & while [ ! -s {pid} ]; do :; done; wait', code], timeout=3)
    os.kill(int(pid.read_text()), 9)
