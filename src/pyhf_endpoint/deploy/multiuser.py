"""Several local users behind one endpoint: root's daemon starts each user's processes as the local user of their identity."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.endpoint import CONFIG, SCHEMA, TEMPLATE, Bundle, Environment, check_identities
from pyhf_endpoint.errors import InputError, UsageError, list_faults

__all__ = ["AUDIT_LOG", "IDENTITIES", "RELOADED", "MultiUser", "check_environment", "extend", "protect", "require_root"]

#: The mapping's copy in the endpoint's folder, under the name that Globus Compute gives it.
IDENTITIES = "identity_mapping_config.json"
AUDIT_LOG = "audit.log"
#: Files that a running daemon reads again by itself, within five seconds.
RELOADED = frozenset({IDENTITIES})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PROGRAMS = ("python", "globus-compute-endpoint", "process_worker_pool.py")


@dataclass(frozen=True)
class MultiUser:
    """How identities become local users.

    Attributes:
        identities: Text of the identity mapping, which has been checked.
        subscription: Id of the site's subscription with Globus; with `policy`, the endpoint is one of high assurance.
        policy: Id of the authentication policy that users must meet.
    """

    identities: str
    subscription: str | None = None
    policy: str | None = None

    @classmethod
    def read(cls, file: Path, subscription: str | None = None, policy: str | None = None) -> "MultiUser":
        """Read and check a mapping.

        Raises:
            UsageError: It is not root who asks, or one of the two ids is missing or is none.
            InputError: The file cannot be read, or has faults.
        """
        require_root()
        for option, value in (("--subscription-id", subscription), ("--auth-policy", policy)):
            if value is not None and not _UUID.fullmatch(value):
                raise UsageError(f"{option} {value}: an id has 32 hexadecimal digits in five groups")
        if (subscription is None) != (policy is None):
            raise UsageError("an endpoint of high assurance, which keeps an audit log, needs --subscription-id and --auth-policy")
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise InputError(f"--idmap {file}: the identity mapping cannot be read: {why}; name a JSON file") from error
        check_identities(text, str(file))
        return cls(text, subscription, policy)

    @property
    def audited(self) -> bool:
        """Whether the daemon writes its audit log, which it does for endpoints of high assurance alone."""
        return self.subscription is not None


def require_root() -> None:
    """Make sure that the endpoint's daemon can become other users.

    Raises:
        UsageError: It is not root who asks.
    """
    if os.geteuid() != 0:
        raise UsageError(
            f"--multi-user: processes of other users can be started by root alone, and this is user {os.geteuid()};"
            " run it as root (sudo), or leave --multi-user away: the endpoint then serves you, as yourself"
        )


def extend(bundle: Bundle, multi: MultiUser, folder: Path) -> Bundle:
    """Return an endpoint's files with those that several users need.

    Args:
        bundle: The files for one user.
        multi: How identities become local users.
        folder: The endpoint's folder, by its absolute path.
    """
    lines = [
        "# Processes run as the local user to whom this maps an identity; others are refused.",
        f"identity_mapping_config_path: {folder / IDENTITIES}",
        "# Written for endpoints of high assurance alone.",
        f"audit_log_path: {folder / AUDIT_LOG}",
    ]
    if multi.audited:
        lines += ["high_assurance: true", f"subscription_id: {multi.subscription}", f"authentication_policy: {multi.policy}"]
    # Its users are not its owner: they may see that it is there. Whom it serves is the mapping's matter.
    config = bundle.files[CONFIG].replace("public: false\n", "public: true\n")
    return Bundle(bundle.site, {**bundle.files, CONFIG: config + "\n".join(lines) + "\n", IDENTITIES: multi.identities})


def protect(folder: Path) -> None:
    """Close an endpoint's folder to all but root.

    The daemon reads the template and the schema before it becomes the user, so that nobody else need open the folder. The two are
    readable nevertheless: where an administrator opens the folder, users see those, and nothing else.
    """
    folder.chmod(stat.S_IRWXU)
    # Made here, as a detached daemon would make it readable for everybody.
    (folder / AUDIT_LOG).touch()
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            os.chown(path, 0, 0)
            path.chmod(0o644 if path.name in (TEMPLATE, SCHEMA) else 0o600)
    os.chown(folder, 0, 0)


def check_environment(environment: Environment) -> None:
    """Make sure that every user can run what their processes run: the workers' environment, and this very command's.

    The daemon is still Python of this command's environment when it has become the user, and imports then.

    Raises:
        UsageError: A user cannot; each place that is closed is listed.
    """
    folders = dict.fromkeys([environment.folder or sys.prefix, sys.prefix])
    faults = dict.fromkeys(fault for folder in folders for name in _PROGRAMS for fault in _closed(Path(folder, "bin", name)))
    if faults:
        raise UsageError(
            f"{list_faults('--multi-user: what every mapped user must be able to run', [*faults])}\n"
            "put the environment, and the Python below it, where everybody may read, say /opt, and deploy from there"
            " (or give --force, where groups or access lists let them in)"
        )


def _closed(program: Path) -> Iterator[str]:
    """Where others are kept out on the way to a program and to what it links to, or from running it."""
    if not program.exists():
        yield f"{program}: is not there"
        return
    for path in (program.absolute(), program.resolve()):
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                yield f"{parent}: mode {stat.S_IMODE(parent.stat().st_mode):04o}, which keeps others out"
    if program.stat().st_mode & (wanted := stat.S_IROTH | stat.S_IXOTH) != wanted:
        yield f"{program}: mode {stat.S_IMODE(program.stat().st_mode):04o}, so that others may not run it"
