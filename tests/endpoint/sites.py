"""A site that is made up, to be bent in one place at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pyhf_endpoint import profiles
from pyhf_endpoint.endpoint import Bundle, Environment, Options, render, render_user_config
from pyhf_endpoint.profiles import Resolved

_SITE = """
name: test
facility: Nowhere
description: Made up
status: active
sources: {book: {title: A book, date: 2026-01-01}}
sourced: {book: [scheduler]}
scheduler:
  kind: slurm
  account: {required: true}
  queues:
    gpu: {node: gpu, max_nodes: 4, max_walltime: "02:00:00"}
    long: {node: gpu, min_nodes: 2, max_nodes: 8, max_walltime: "10:00:00"}
    express: {node: gpu, max_nodes: 1, max_walltime: "00:20:00"}
    shared: {node: gpu, max_nodes: 1, max_walltime: "02:00:00", shared: true}
    cpu: {node: cpu, max_nodes: 4, max_walltime: "02:00:00"}
nodes:
  gpu:
    cores: 32
    accelerators:
      vendor: nvidia
      model: X
      count: 4
      memory_gb: 40
      request: {how: gpus-per-node}
      visibility: CUDA_VISIBLE_DEVICES
      affinity: "list:0-7:8-15:16-23:24-31"
  cpu: {cores: 40}
network: {interface: ib0}
launcher: {kind: srun}
run: {queue: gpu, exclusive: true}
variants: {usual: {description: As it comes}}
"""
_FACTS = ("scheduler", "nodes", "network", "launcher", "container", "environment", "proxies")


def use(edit: Mapping[str, Any] | None = None, **options: Any) -> Resolved:
    """One use of the site.

    Args:
        edit: Values by path (`nodes.gpu.cores`); None takes the key away.
        options: Settings.
    """
    data = yaml.load(_SITE, yaml.BaseLoader)
    data = _typed(data)
    for path, value in (edit or {}).items():
        *parents, last = path.split(".")
        place = data
        for key in parents:
            place = place[key]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    data["sourced"]["book"] = [key for key in _FACTS if key in data]
    return profiles.resolve(
        profiles.parse(yaml.safe_dump(data, sort_keys=False), Path("test.yaml")), None, {"account": "project"} | options
    )


def bundle(found: Resolved, environment: str = "venv:/opt/env", **options: Any) -> Bundle:
    return render(found, Options(Environment.parse(environment), **options))


def configuration(found: Resolved, environment: str = "venv:/opt/env", user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a user of the site gets."""
    text = render_user_config(bundle(found, environment), user)
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def engine(found: Resolved, environment: str = "venv:/opt/env", user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    part: dict[str, Any] = configuration(found, environment, user)["engine"]
    return part


def exported(found: Resolved, environment: str = "venv:/opt/env") -> dict[str, str]:
    """The variables that worker_init exports with a plain value."""
    words = [word for line in engine(found, environment)["provider"]["worker_init"].splitlines() for word in line.split()]
    return dict(word.split("=", 1) for word in words if "=" in word and "$" not in word)


def _typed(value: Any) -> Any:
    """Numbers and truth values as such; times and dates stay texts."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, str) and (value.isdecimal() or value in {"true", "false"}):
        return yaml.safe_load(value)
    return value
