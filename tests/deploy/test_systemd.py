"""The unit by which systemd starts an endpoint, judged by systemd's own checker where that is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyhf_endpoint.deploy import Daemon, systemd
from pyhf_endpoint.errors import UsageError

NAME = "bench"
ENVIRONMENT = {
    "PATH": '/opt/a b/bin:/usr/bin:/100%/"x"\\y',
    "HTTPS_PROXY": "http://p.example.org:1",
    "GLOBUS_COMPUTE_USER_DIR": "/d",
    "GLOBUS_COMPUTE_CLIENT_ID": "11111111-2222-4333-8444-555555555555",
    "GLOBUS_COMPUTE_CLIENT_SECRET": "hush",
    "SSH_AUTH_SOCK": "/tmp/x",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ordinary user, whoever runs the tests, with an endpoint that does not run."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "globus"))
    monkeypatch.delenv("GLOBUS_COMPUTE_CLIENT_SECRET", raising=False)
    (tmp_path / "globus" / NAME).mkdir(parents=True)
    return tmp_path


def test_a_users_unit(home: Path) -> None:
    assert systemd.unit_text(NAME, ENVIRONMENT) == (
        "[Unit]\n"
        "Description=Globus Compute endpoint bench, set up by pyhf-endpoint\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        "Type=simple\n"
        'Environment="PATH=/opt/a b/bin:/usr/bin:/100%%/\\"x\\"\\\\y"\n'
        'Environment="HTTPS_PROXY=http://p.example.org:1"\n'
        'Environment="GLOBUS_COMPUTE_USER_DIR=/d"\n'
        'Environment="GLOBUS_COMPUTE_CLIENT_ID=11111111-2222-4333-8444-555555555555"\n'
        f"EnvironmentFile=-{home}/config/pyhf-endpoint/bench.env\n"
        f'ExecStart="{Path(sys.executable).parent}/globus-compute-endpoint" start bench\n'
        "Restart=always\n"
        "RestartSec=20\n"
        "KillMode=mixed\n"
        "TimeoutStopSec=120\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


@pytest.mark.parametrize("system", [True, False])
def test_systemd_takes_the_unit(system: bool, tmp_path: Path) -> None:
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd-analyze is not installed; apt-get install systemd")
    path = tmp_path / systemd.unit_name(NAME)
    path.write_text(systemd.unit_text(NAME, ENVIRONMENT, system=system))
    command = [checker, *([] if system else ["--user"]), "verify", str(path)]
    # Without a manager of its own it looks for units in these folders alone.
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, [line for line in done.stderr.splitlines() if path.name in line]) == (0, []), done.stderr
    path.write_text(path.read_text().replace("Restart=always", "Restart=perhaps"))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "Failed to parse service restart specifier" in done.stderr


def test_a_first_deployment_writes_the_unit_and_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", "hush")
    daemon = Daemon(NAME)
    assert not systemd.is_left(daemon)
    assert systemd.is_left(daemon, wanted=True)
    unit = home / "config" / "systemd" / "user" / "pyhf-endpoint-bench.service"
    secrets = home / "config" / "pyhf-endpoint" / "bench.env"
    assert list(systemd.hand_over(daemon)) == [
        f"{unit}: the unit that starts it at boot, and again when it has died. Let systemd have it:",
        "  systemctl --user daemon-reload",
        "  systemctl --user enable --now pyhf-endpoint-bench.service",
        "  loginctl enable-linger    # or it ends when you log out; sites may forbid it",
        f"  no unit holds a secret: beforehand, write GLOBUS_COMPUTE_CLIENT_SECRET=... into {secrets}, chmod 600",
        f"then repeat this command: it waits until the endpoint is online. Its messages: journalctl --user -u {unit.name}",
    ]
    assert "hush" not in unit.read_text()
    assert systemd.is_left(daemon)
    assert systemd.write(NAME) == (unit, False)
    with pytest.raises(UsageError, match=r"systemd looks after this endpoint: systemctl --user start pyhf-endpoint"):
        systemd.refuse(daemon, "start")
    systemd.refuse(daemon, "stop")
    assert systemd.remove(NAME) == unit
    assert systemd.remove(NAME) is None
    systemd.refuse(daemon, "start")


def test_a_unit_that_cannot_be_written(home: Path) -> None:
    (home / "config").write_text("a file")
    with pytest.raises(UsageError, match=r"pyhf-endpoint-bench\.service cannot be written: .*; deploy without --systemd"):
        list(systemd.hand_over(Daemon(NAME)))


def test_root_has_a_unit_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert systemd.unit_path(NAME) == Path("/etc/systemd/system/pyhf-endpoint-bench.service")
    assert systemd.manager() == "systemctl"
    text = systemd.unit_text(NAME, {})
    assert "\nAfter=network-online.target\n" in text
    assert "\nUser=" in text
    assert text.endswith("WantedBy=multi-user.target\n")
    assert not [line for line in systemd.explanation(NAME, {}) if "linger" in line or "--user" in line]


@pytest.mark.parametrize(
    ("cgroup", "supervised"),
    [
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/pyhf-endpoint-bench.service\n", True),
        ("1:name=systemd:/system.slice/pyhf-endpoint-bench.service\n0::/\n", True),
        ("0::/user.slice/user-1.slice/session-3.scope\n", False),
        ("0::/system.slice/pyhf-endpoint-bench2.service\n", False),
        (None, False),
    ],
)
def test_whose_process_it_is(cgroup: str | None, supervised: bool, tmp_path: Path) -> None:
    if cgroup is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text(cgroup)
    assert systemd.is_supervised(7, NAME, tmp_path) is supervised
    assert not systemd.is_supervised(None, NAME, tmp_path)
