"""A second local user, made for a test and removed after it, and an environment whose programs that user can run."""

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

__all__ = ["Person", "environment_for_everybody"]

_ROOT = Path(__file__).parents[2]
_LARGE = ("test", "tests", "site-packages", "config-*", "idlelib", "tkinter", "turtledemo", "ensurepip")


class Person:
    """A local user, there while entered.

    Args:
        folder: Where their home goes; others may enter it.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"pyhf-{secrets.token_hex(4)}"
        self.home = folder / self.name

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or shutil.which("useradd") is None:
            raise FileNotFoundError("a second user can be made by root with `useradd` alone")
        # No mail, no groups of others, no password: nobody can log in as them.
        _run("useradd", "--create-home", "--home-dir", self.home, "--shell", "/bin/sh", "--user-group", self.name)
        found = pwd.getpwnam(self.name)
        self.uid, self.gid = found.pw_uid, found.pw_gid
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = self.processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=20)
        _run("userdel", "--remove", self.name)

    def processes(self) -> list[psutil.Process]:
        """What runs as this user."""
        return [process for process in psutil.process_iter() if self._runs(process)]

    def can_read(self, path: Path) -> bool:
        """Whether this user, who is in no other group, can read a file or list a folder."""
        return self.run("test", "-r", path).returncode == 0

    def run(self, *command: object) -> "subprocess.CompletedProcess[str]":
        """Run a command as this user, with an environment of their own."""
        env = {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        argv = [*map(str, command)]
        return subprocess.run(
            argv, capture_output=True, text=True, env=env, cwd=self.home, user=self.uid, group=self.gid, extra_groups=[]
        )

    def _runs(self, process: psutil.Process) -> bool:
        try:
            return self.uid in process.uids()
        except psutil.NoSuchProcess:
            return False


def _run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def environment_for_everybody(folder: Path) -> Path:
    """Make a virtual environment that has what this one has, and that every user can run; return its folder.

    What others cannot reach where it is, such as a Python in root's home, is copied.

    Args:
        folder: Where it goes; others may enter it.
    """
    python = _python(folder / "python")
    venv = folder / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", str(venv)], check=True)
    packages = [_reachable(path, folder) for path in (_ROOT / "src", Path(sysconfig.get_path("purelib")))]
    lines = [f"import site; site.addsitedir({str(path)!r})" for path in packages]
    (venv / "lib" / f"python{_version()}" / "site-packages" / "_pyhf_endpoint.pth").write_text(
        f"{packages[0]}\n" + "\n".join(lines[1:]) + "\n"
    )
    own = Path(sys.executable).parent
    for program in own.iterdir():
        text = program.read_bytes() if program.is_file() and not program.is_symlink() else b""
        if text.startswith(b"#!") and b"python" in text.partition(b"\n")[0]:
            (venv / "bin" / program.name).write_bytes(f"#!{venv}/bin/python\n".encode() + text.partition(b"\n")[2])
            (venv / "bin" / program.name).chmod(0o755)
    return venv


def _python(folder: Path) -> str:
    """The interpreter below this environment, or a copy of it."""
    real = Path(sys.executable).resolve()
    if _open(real):
        return str(real)
    base = Path(sys.base_prefix)
    library = f"lib/python{_version()}"
    shutil.copytree(base / library, folder / library, ignore=shutil.ignore_patterns(*_LARGE), symlinks=True)
    (folder / "bin").mkdir()
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy(shared, folder / "lib", follow_symlinks=False)
    program = folder / "bin" / real.name
    # A Python may look for its library by an absolute path, which leads where others may not go.
    old = f"{base}/lib\0".encode()
    program.write_bytes(real.read_bytes().replace(old, b"$ORIGIN/../lib".ljust(len(old), b"\0")))
    program.chmod(0o755)
    return str(program)


def _reachable(path: Path, folder: Path) -> Path:
    """A folder of modules, or a copy of it where others cannot enter it."""
    if _open(path):
        return path
    copy = folder / f"copy-of-{path.name}"
    shutil.copytree(path, copy, symlinks=True)
    return copy


def _open(path: Path) -> bool:
    """Whether others may read a path and enter every folder on the way to it."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents) and bool(path.stat().st_mode & stat.S_IROTH)


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
