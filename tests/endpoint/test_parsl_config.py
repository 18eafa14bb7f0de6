"""The plain Parsl configuration: a file that Parsl takes, with what Globus Compute would use."""

from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint.endpoint import load_user_config, parsl_config, render_user_config
from pyhf_endpoint.errors import UsageError
from tests.endpoint.capture import prepared
from tests.endpoint.golden import SITES, bundle_of, use_of
from tests.endpoint.sites import bundle, use

SAME = [
    *("address", "encrypted", "max_workers_per_node", "cores_per_worker", "available_accelerators", "cpu_affinity"),
    *("heartbeat_period", "heartbeat_threshold", "prefetch_capacity", "worker_logdir_root"),
]


def run(text: str) -> Any:
    names: dict[str, Any] = {}
    exec(compile(text, "parsl_config.py", "exec"), names)
    return names["config"]


@pytest.mark.parametrize("site", SITES)
def test_executor_and_provider_are_those_of_the_endpoint(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bundle_of(use_of(site))
    text = render_user_config(found)
    with prepared(text, tmp_path, monkeypatch):
        config, engine = run(parsl_config(found)), load_user_config(text).engine
    (executor,) = config.executors
    assert repr(executor.provider) == repr(engine.executor.provider)
    assert {name: getattr(executor, name) for name in SAME} == {name: getattr(engine.executor, name) for name in SAME}
    assert (config.retries, config.max_idletime, config.strategy_period) == (1, 120, 1)


def test_workers_run_in_an_apptainer_image() -> None:
    found = use({"container": {"runtime": "apptainer", "flags": "--nv"}, "network": {"address": "loopback"}})
    text = parsl_config(bundle(found, "image:/images/a.sif"))
    pool = "globus-compute-endpoint python-exec pyhf_endpoint.pool "
    assert f"launch_cmd='apptainer run --nv --bind {{logdir}} /images/a.sif {pool}' + DEFAULT_LAUNCH_CMD," in text
    compile(text, "parsl_config.py", "exec")


def test_other_runtimes_show_workers_the_folder_of_their_logs() -> None:
    found = use({"container": {"runtime": "podman"}})
    text = parsl_config(bundle(found, "image:registry.example.org/a:1"))
    assert " -v {logdir}:{logdir} -t registry.example.org/a:1 globus-compute-endpoint python-exec pyhf_endpoint.pool ' +" in text
    compile(text, "parsl_config.py", "exec")


def test_the_account_must_be_settled() -> None:
    with pytest.raises(UsageError, match="'account' is a required property"):
        parsl_config(bundle(use(account=None)))
