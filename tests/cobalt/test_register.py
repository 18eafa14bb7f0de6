"""The one way in which Globus Compute comes to know the provider, tried on its own unmodified command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyhf_endpoint import process
from pyhf_endpoint.cobalt.register import PROGRAM, write_launcher

REAL = Path(sys.executable).parent
CONFIG = """\
engine:
  type: GlobusComputeEngine
  address: 127.0.0.1
  provider:
    type: CobaltProvider
    account: atlas
    walltime: {walltime}
    launcher:
      type: AprunLauncher
      overrides: -d 64
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "endpoints" / "site").mkdir(parents=True)
    return tmp_path


def command_line(home: Path, *arguments: str, path: list[Path], stdin: str = "") -> process.Completed:
    """Run `globus-compute-endpoint` in the environment of a daemon that starts a user endpoint: empty but for a few names."""
    env = {
        "PATH": os.pathsep.join([*map(str, path), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "GLOBUS_COMPUTE_USER_DIR": str(home / "endpoints"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    # env(1) looks the program up on the PATH that it was given, as the daemon's exec does.
    return process.run(["/usr/bin/env", PROGRAM, *arguments], timeout=120, stdin=stdin, env=env, cwd=home)


def start_user_endpoint(home: Path, path: list[Path], walltime: str = '"00:10:00"') -> process.Completed:
    """What the daemon does for a user: `_start-user-endpoint NAME` with the rendered configuration on standard input."""
    stdin = json.dumps({"ep_info": {}, "config": CONFIG.format(walltime=walltime), "allowed_functions": []})
    return command_line(home, "_start-user-endpoint", "site", path=path, stdin=stdin)


def test_without_the_launcher_the_provider_is_refused(home: Path) -> None:
    ended = start_user_endpoint(home, [REAL])
    assert ended.returncode == 1
    assert "'CobaltProvider' is not a valid provider" in ended.stderr


def test_with_the_launcher_first_on_path_a_user_endpoint_gets_its_engine(home: Path) -> None:
    write_launcher(home / "launcher", Path(sys.executable))
    ended = start_user_endpoint(home, [home / "launcher", REAL])
    # The engine stands; the next thing that a user endpoint needs are the credentials that only a daemon hands it.
    assert "is not a valid provider" not in ended.stderr
    assert ended.stderr.rstrip().endswith("KeyError: 'No credential info provided'")


def test_the_provider_that_is_loaded_is_ours(home: Path) -> None:
    write_launcher(home / "launcher", Path(sys.executable))
    ended = start_user_endpoint(home, [home / "launcher", REAL], walltime="1:00:00")
    assert ended.returncode == 1
    assert "CobaltProvider has 1 fault" in ended.stderr
    assert "YAML reads 1:00:00 without them as the number 3600" in ended.stderr


def test_the_offline_check_of_a_configuration_knows_it_too(home: Path) -> None:
    # `--parent-config` goes through the same loader, and then minds that the configuration has an engine.
    (home / "config.yaml").write_text(CONFIG.format(walltime='"00:10:00"'))
    (home / "template.yaml.j2").write_text("a: 1\n")
    arguments = ("render-user-config", "-t", "template.yaml.j2", "--parent-config", "config.yaml")
    write_launcher(home / "launcher", Path(sys.executable))
    assert "not a valid provider" in command_line(home, *arguments, path=[REAL]).stderr
    ended = command_line(home, *arguments, path=[home / "launcher", REAL])
    assert ended.stderr == "Error: Provided parent config does not support templating.\n"


def test_the_launcher_is_the_real_program_in_all_else(home: Path) -> None:
    write_launcher(home / "launcher", Path(sys.executable))
    for arguments in (["version"], ["--help"], ["render-user-config", "--help"], ["no-such-command"]):
        ours = command_line(home, *arguments, path=[home / "launcher", REAL])
        assert ours == command_line(home, *arguments, path=[REAL])


def test_a_worker_started_through_it_is_a_module_run_by_the_same_python(home: Path) -> None:
    write_launcher(home / "launcher", Path(sys.executable))
    (home / "shown.py").write_text("import sys; print(sys.executable, sys.argv[1:])\n")
    ended = command_line(home, "python-exec", "shown", "--a", "b c", path=[home / "launcher", REAL])
    assert ended.stdout == f"{sys.executable} ['--a', 'b c']\n", ended.stderr


def test_the_launcher_works_from_a_folder_whose_modules_would_shadow_others(home: Path) -> None:
    (home / "parsl.py").write_text("raise SystemExit('shadowed')\n")
    write_launcher(home / "launcher", Path(sys.executable))
    ended = command_line(home, "version", path=[home / "launcher", REAL])
    assert ended.returncode == 0, ended.stderr


def test_the_launchers_whole_text_and_mode(tmp_path: Path) -> None:
    launcher = write_launcher(tmp_path / "a" / "b", Path("/opt/our python/bin/python"))
    assert launcher == tmp_path / "a" / "b" / "globus-compute-endpoint"
    assert launcher.read_text() == (
        "#!/bin/sh\n"
        "# Makes CobaltProvider known to globus-compute-endpoint, then is globus-compute-endpoint.\n"
        "exec '/opt/our python/bin/python' -P -c 'from pyhf_endpoint.cobalt.register import main; main()' \"$@\"\n"
    )
    assert launcher.stat().st_mode & 0o777 == 0o755
    assert (
        write_launcher(tmp_path / "a" / "b", Path("/opt/other/bin/python")).read_text().count("\nexec /opt/other/bin/python -P ")
        == 1
    )


def test_nothing_is_registered_before_the_function_is_called() -> None:
    code = (
        "import sys, pyhf_endpoint.cobalt.register as register, pyhf_endpoint.cobalt as cobalt\n"
        "assert 'parsl' not in sys.modules\n"
        "import pyhf_endpoint.cobalt.provider, parsl.providers\n"
        "assert not hasattr(parsl.providers, 'CobaltProvider')\n"
        "register.register_cobalt_provider()\n"
        "register.register_cobalt_provider()\n"
        "assert parsl.providers.CobaltProvider is pyhf_endpoint.cobalt.provider.CobaltProvider\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_parsl_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['parsl'] = None\n"
        "from pyhf_endpoint.cobalt.register import register_cobalt_provider\n"
        "from pyhf_endpoint.errors import MissingExtraError\n"
        "try: register_cobalt_provider()\n"
        "except MissingExtraError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stdout == (
        "the Cobalt provider needs the extra `endpoint`; install it with: python -m pip install 'pyhf-endpoint[endpoint]'\n"
    ), ended.stderr
