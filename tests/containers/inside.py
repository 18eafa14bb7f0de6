"""Sites whose workers run in a container: shipped profiles, in parts replaced, and what workers tell there."""

import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from pyhf_endpoint import __version__, profiles
from pyhf_endpoint.client import Client
from pyhf_endpoint.functions.report import WorkerReport
from pyhf_endpoint.results import HypotestResult
from pyhf_endpoint.transport import Choice

__all__ = ["SETTINGS", "Inside", "Told", "profile"]

# One node's share of a machine with two cores; the engine notices within seconds that it ended.
SETTINGS = {"workers_per_node": 2, "cores_per_node": 2, "heartbeat_period_s": 2, "heartbeat_threshold_s": 10}


def profile(folder: Path, name: str, **changes: object) -> Path:
    """Write a shipped site's profile to a folder, with some of its parts replaced."""
    data = yaml.safe_load(profiles.find(name).path.read_text()) | changes
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


@dataclass(frozen=True)
class Told:
    """What a worker sees of the world: its Python, what that finds, its user, a host's folder, its variables."""

    prefix: str
    package: str
    path: list[str]
    uid: int
    host: bool
    folder: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Look:
    """A function as the registered ones are sent, which tells where it runs and whether it sees a folder of the host's."""

    name: str = "look"
    source: str = """
def look(text):
    import json, os, sys
    import pyhf_endpoint

    (host,) = json.loads(text.removeprefix("json:"))
    told = dict(prefix=sys.prefix, package=pyhf_endpoint.__file__, path=sys.path, uid=os.getuid(), host=os.path.exists(host),
                folder=os.getcwd(), variables=dict(os.environ))
    return "json:" + json.dumps(told)
"""


@dataclass(frozen=True)
class Inside:
    """One use of a site through the transport `scheduler`: the grid's results, and what its workers told of themselves."""

    results: list[HypotestResult]
    told: Told
    reports: list[WorkerReport]
    run: Path

    @classmethod
    def of(cls, site: str, choice: Choice, files: tuple[Path, Path], own: Path | None = None) -> "Inside":
        """Run the grid.

        Args:
            site: The site.
            choice: What is chosen of it.
            files: The workspace and the patch set.
            own: The site's profile, where it is not the shipped one.
        """
        with Client(site, via="scheduler", profile=own, choice=choice) as client:
            results = client.hypotest(*files).to_list()
            reports = client.probe(limit_s=60)
            argument = json.dumps([sys.prefix]).encode()
            told = client.transport.executor().submit(cast("Any", Look()), argument).result(timeout=60)
            run = cast("Any", client.transport).run
        return cls(results, Told(**json.loads(told)), reports, run)

    def assert_contained(self, container: str, versions: Mapping[str, str]) -> None:
        """The workers ran in the image: its Python, its package, the versions of its lock, our settings, the run's folder.

        Args:
            container: What the probe calls it.
            versions: The lock's.
        """
        assert self.told.prefix == "/opt/venv"
        assert self.told.package.startswith("/opt/venv/lib/")
        assert not [place for place in self.told.path if Path(place).is_relative_to(sys.prefix)]
        assert Path(self.told.folder).is_relative_to(self.run)
        assert self.told.variables["OMP_NUM_THREADS"] == "1"
        assert self.told.variables["JAX_PLATFORMS"] == "cpu"
        assert self.told.variables["CUPY_CACHE_DIR"].startswith("/tmp/cupy-cache.")
        assert self.told.variables["GLOBUS_COMPUTE_USER_DIR"].startswith("/tmp/globus-compute.")
        assert {report.container for report in self.reports} == {container}
        for report in self.reports:
            assert not report.faults
            found = {name: version for name, version in report.versions.items() if name not in ("python", "pyhf-endpoint")}
            assert found == {name: versions[name] for name in found}
            assert {"dill", "globus-compute-endpoint", "parsl", "pyhf"} <= set(found)
            assert report.versions["pyhf-endpoint"] == __version__
            # What the engine outside and its workers must have in common.
            assert report.versions["python"].split(".")[:2] == [*platform.python_version_tuple()[:2]]
            for name in ("dill", "globus-compute-endpoint", "globus-compute-sdk", "parsl"):
                assert report.versions[name] == importlib.metadata.version(name)

    def assert_same(self, expected: list[HypotestResult]) -> None:
        """The results are those of processes on this machine."""
        found = {result.name: result for result in self.results}
        assert sorted(found) == sorted(result.name for result in expected)
        for other in expected:
            assert found[other.name].CLs_obs == pytest.approx(other.CLs_obs, abs=1e-7)
            assert found[other.name].CLs_exp == pytest.approx(other.CLs_exp, abs=1e-7)
