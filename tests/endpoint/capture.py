"""What a provider hands to the batch system: the real provider, with commands and a Kubernetes service that only take down.

Left out of Parsl's and Globus Compute's own start are two things that have no part in it: the interchange process, which would
give a port of its own choice, and the machine's network, whose addresses differ from one machine to the next.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pyhf_endpoint.endpoint import load_user_config

# What the real commands answer.
_ANSWERS = {
    "sacct": (1, "Slurm accounting storage is disabled"),
    "sbatch": (0, "Submitted batch job 1"),
    "qsub": (0, "1"),
    "condor_submit": (0, "1 job(s) submitted to cluster 1."),
    "bash": (0, ""),  # by which LocalProvider starts its script
}
_PROGRAM = """#!{python} -IS
import json, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with pathlib.Path({heard!r}).open("a") as heard:
    heard.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
returncode, answer = {answers!r}[name]
print(answer)
sys.exit(returncode)
"""
ADDRESS = "192.0.2.1"
_PORT = 54000


def submission(text: str, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what is handed over for one block: text by the kind of file, `submit.sh`, `submit.txt` or `pod.json`.

    Args:
        text: A user's endpoint configuration.
        folder: An empty folder.
        patch: Puts things back afterwards.
    """
    with prepared(text, folder, patch) as pods:
        engine = load_user_config(text).engine
        executor = engine.executor
        patch.setattr(executor, "_start_local_interchange_process", lambda: _no_interchange(executor))
        patch.setattr(executor, "scale_in_facade", lambda *_, **__: [])  # it would ask the interchange
        engine.start(endpoint_id=UUID(int=0), run_dir=str(folder / "run"))
        try:
            executor.scale_out_facade(1)
        finally:
            engine.shutdown()
    found = {"pod.json": json.dumps(pods[0], indent=2) + "\n"} if pods else dict(_files(folder / "run", folder / "heard"))
    return {name: _settled(text, folder) for name, text in found.items()}


@contextmanager
def prepared(text: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Put in place what a configuration's provider talks to; yields the list of pods that are asked for."""
    pods: list[Any] = []
    _stage(folder, patch)
    with _kubernetes(folder, pods, patch) if "KubernetesProvider" in text else nullcontext():
        yield pods


def _with_addresses(patch: pytest.MonkeyPatch) -> None:
    """Give the machine a network that is everywhere the same, from the range that is set apart for examples."""
    patch.setattr("parsl.addresses.address_by_interface", lambda ifname: ADDRESS)
    patch.setattr("parsl.addresses.address_by_hostname", lambda: ADDRESS)
    patch.setattr("parsl.addresses.address_by_route", lambda: ADDRESS)
    patch.setattr("parsl.executors.high_throughput.executor.get_all_addresses", lambda: {ADDRESS})


def _stage(folder: Path, patch: pytest.MonkeyPatch) -> None:
    heard = folder / "heard"
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for program in _ANSWERS:
        path = programs / program
        path.write_text(_PROGRAM.format(python=sys.executable, heard=str(heard), answers=_ANSWERS), encoding="utf-8")
        path.chmod(0o755)
    patch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    _with_addresses(patch)


class _Nothing:
    """Stands where the interchange process would."""

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    def wait(self, timeout: float) -> int:
        return 0


def _no_interchange(executor: Any) -> None:
    executor.interchange_proc = _Nothing()
    executor.worker_port = _PORT


def _files(run: Path, heard: Path) -> Iterator[tuple[str, str]]:
    """The command that submits, and the files in the provider's folder."""
    deadline = time.monotonic() + 30
    while not heard.exists() or not (commands := _commands(heard)):
        assert time.monotonic() < deadline, "nothing was submitted"
        time.sleep(0.01)  # LocalProvider starts its script in the background
    for path in (run / "submit_scripts").iterdir():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".script":
            yield "submit.sh", text
        elif path.suffix not in {".ec", ".out", ".err"}:
            yield ("submit.txt" if commands[0].startswith("condor") else "submit.sh"), f"# {commands[0]}\n{text}"


def _commands(heard: Path) -> list[str]:
    """The commands that submit."""
    commands = [json.loads(line) for line in heard.read_text(encoding="utf-8").splitlines()]
    return [" ".join(command) for command in commands if command[0] != "sacct"]


@contextmanager
def _kubernetes(folder: Path, pods: list[Any], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A service that takes down the pods that are asked for, and a configuration that leads to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            pods.append({"path": self.path, **json.loads(body)})
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    kubeconfig: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [cluster],
        "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig), encoding="utf-8")
    try:
        patch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "kubeconfig"))
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _settled(text: str, folder: Path) -> str:
    """The text without what changes from run to run: the folder, and the time or random id in names of jobs and pods."""
    text = text.replace(str(folder), "/folder")
    text = re.sub(r"(block-0\.)(\d{9,}(\.\d+)?)", r"\1TIME", text)
    return re.sub(r"\b[0-9a-f]{8}\b(?=\"|$)", "POD", text) if text.startswith("{") else text
