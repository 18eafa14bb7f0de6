"""An endpoint that systemd starts at boot and again when it has died: its unit, and who looks after a process.

Globus Compute's own `enable-on-boot` writes a unit for the whole system, as root alone, without the variables that the batch
system's commands and Globus Compute need, and tries a start that fails again every second. A user's unit needs no rights.
"""

import os
import pwd
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyhf_endpoint.deploy.daemon import Daemon
from pyhf_endpoint.errors import UsageError

__all__ = [
    "explanation",
    "hand_over",
    "is_left",
    "is_supervised",
    "manager",
    "refuse",
    "remove",
    "unit_name",
    "unit_path",
    "unit_text",
    "write",
]

_PROGRAM = "globus-compute-endpoint"
# What the endpoint and, through it, the batch system's commands take from where `deploy` runs. No secrets: units can be read.
_PASSED = re.compile(
    r"PATH|LD_LIBRARY_PATH|LANG|LC_ALL|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy"
    r"|SLURM_CONF|PBS_(CONF_FILE|SERVER|EXEC)|CONDOR_CONFIG|KUBECONFIG|XDG_(CONFIG|STATE)_HOME"
    r"|GLOBUS_SDK_[A-Z_]+|GLOBUS_COMPUTE_(USER_DIR|CLIENT_ID)"
)
_SECRET = "GLOBUS_COMPUTE_CLIENT_SECRET"  # noqa: S105 - the variable's name


def unit_name(name: str) -> str:
    """Return the unit's name for an endpoint."""
    return f"pyhf-endpoint-{name}.service"


def unit_path(name: str) -> Path:
    """Return where an endpoint's unit belongs: among the system's for root, else among the user's."""
    if os.geteuid() == 0:
        return Path("/etc/systemd/system") / unit_name(name)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "systemd" / "user" / unit_name(name)


def manager() -> str:
    """Return the command that speaks to the systemd of this user."""
    return "systemctl" if os.geteuid() == 0 else "systemctl --user"


def unit_text(name: str, environment: Mapping[str, str] = os.environ, *, system: bool | None = None) -> str:
    """Return the unit of an endpoint.

    Args:
        name: The endpoint's name.
        environment: The variables of which it gets those that it needs.
        system: Whether it is one of the system's; None for what this user is to have.
    """
    whole = os.geteuid() == 0 if system is None else system
    return "\n".join(_lines(name, environment, whole)) + "\n"


def _lines(name: str, environment: Mapping[str, str], system: bool) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description=Globus Compute endpoint {name}, set up by pyhf-endpoint"
    if system:
        yield from ("Wants=network-online.target", "After=network-online.target")
    # An endpoint that was killed is refused for a minute and a half, while the note that it left looks fresh.
    yield from ("StartLimitIntervalSec=0", "", "[Service]", "Type=simple")
    if system:
        yield f"User={pwd.getpwuid(os.getuid()).pw_name}"
    yield from (f"Environment={_quoted(f'{key}={value}')}" for key, value in environment.items() if _PASSED.fullmatch(key))
    yield f"EnvironmentFile=-{_secrets(name)}"
    yield f"ExecStart={_quoted(str(Path(sys.executable).parent / _PROGRAM)).replace('$', '$$')} start {name}"
    yield from ("Restart=always", "RestartSec=20")
    # The endpoint ends its own processes, which cancel their jobs first.
    yield from ("KillMode=mixed", "TimeoutStopSec=120", "", "[Install]")
    yield f"WantedBy={'multi-user.target' if system else 'default.target'}"


def write(name: str) -> tuple[Path, bool]:
    """Write the unit of an endpoint; return its path, and whether it has changed.

    Raises:
        OSError: It cannot be written.
    """
    path, text = unit_path(name), unit_text(name)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return path, False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    return path, True


def remove(name: str) -> Path | None:
    """Remove the unit of an endpoint, and return its path; None where there was none."""
    path = unit_path(name)
    if not path.exists():
        return None
    path.unlink()
    return path


def explanation(name: str, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield what is to be done to have systemd start an endpoint."""
    command = manager()
    yield f"{unit_path(name)}: the unit that starts it at boot, and again when it has died. Let systemd have it:"
    yield f"  {command} daemon-reload"
    yield f"  {command} enable --now {unit_name(name)}"
    if os.geteuid() != 0:
        yield "  loginctl enable-linger    # or it ends when you log out; sites may forbid it"
    if _SECRET in environment:
        yield f"  no unit holds a secret: beforehand, write {_SECRET}=... into {_secrets(name)}, chmod 600"
    yield f"then repeat this command: it waits until the endpoint is online. Its messages: {_journal(name)}"


def is_left(daemon: Daemon, *, wanted: bool = False) -> bool:
    """Return whether the next step is systemd's: it is to start an endpoint, and does not run it yet.

    Args:
        daemon: The endpoint.
        wanted: Whether that was asked for; a unit that is there asks for it, too.
    """
    return (wanted or unit_path(daemon.name).exists()) and not is_supervised(daemon.pid, daemon.name)


def hand_over(daemon: Daemon) -> Iterator[str]:
    """Write an endpoint's unit, stop the endpoint where it runs by itself, and yield what was done and what is to be done.

    Raises:
        UsageError: The unit cannot be written.
    """
    try:
        write(daemon.name)
    except OSError as error:
        raise UsageError(f"{unit_path(daemon.name)} cannot be written: {error.strerror}; deploy without --systemd") from error
    if daemon.pid is not None:
        daemon.stop()
        yield "stopped, as systemd is to start it"
    yield from explanation(daemon.name)


def refuse(daemon: Daemon, verb: str) -> None:
    """Leave it to systemd to start or stop what it runs.

    Args:
        daemon: The endpoint.
        verb: What it is to be told instead.

    Raises:
        UsageError: Systemd runs it, or is to start it.
    """
    supervised = is_supervised(daemon.pid, daemon.name)
    if supervised or (verb == "start" and daemon.pid is None and unit_path(daemon.name).exists()):
        raise UsageError(f"systemd looks after this endpoint: {manager()} {verb} {unit_name(daemon.name)}")


def is_supervised(pid: int | None, name: str, proc: Path = Path("/proc")) -> bool:
    """Return whether systemd looks after a process as the endpoint's unit.

    Args:
        pid: The process; None for one that does not run.
        name: The endpoint's name.
        proc: Where the kernel tells of processes.
    """
    try:
        text = (proc / str(pid) / "cgroup").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(line.rstrip().endswith(f"/{unit_name(name)}") for line in text.splitlines())


def _secrets(name: str) -> Path:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "pyhf-endpoint" / f"{name}.env"


def _journal(name: str) -> str:
    return f"journalctl {'' if os.geteuid() == 0 else '--user '}-u {unit_name(name)}"


def _quoted(text: str) -> str:
    """A word of a unit: systemd reads quotes, backslashes and percent signs."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
