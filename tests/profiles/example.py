"""A small valid profile, and its parse after a change."""

from pathlib import Path

from pyhf_endpoint import profiles

__all__ = ["PROFILE", "changed", "parse"]

PROFILE = """\
name: site
facility: somewhere
description: a site
status: active
sources:
  guide: {title: the guide, url: "https://example.org/guide", date: 2026-01-31}
sourced:
  guide: [architecture, scheduler, nodes, network, launcher]
inferred:
  container: as elsewhere
architecture: {login: x86_64, compute: x86_64}
scheduler:
  kind: slurm
  account: {required: true}
  directives: ["--no-requeue"]
  rejects: ["--qos"]
  queues:
    gpu: {node: a100, max_nodes: 4, max_walltime: "02:00:00"}
    gpu-shared: {node: a100, max_nodes: 1, max_walltime: "02:00:00", shared: true}
    cpu: {node: rome, min_nodes: 2, max_nodes: 8, max_walltime: unknown}
nodes:
  a100:
    cores: 32
    threads: 64
    accelerators:
      vendor: nvidia
      model: A100
      count: 4
      memory_gb: 40
      request: {how: gpus-per-node}
      visibility: CUDA_VISIBLE_DEVICES
      affinity: "list:24-31:16-23:8-15:0-7"
  rome: {cores: 128}
network: {interface: hsn0}
launcher: {kind: srun}
container: {runtime: apptainer, flags: --nv}
run:
  queue: gpu
  exclusive: true
  walltime: "01:00:00"
variants:
  gpu: {description: whole nodes}
  one: {description: one device, queue: gpu-shared, exclusive: false, accelerators: 1, cores_per_node: 8}
  cpu: {description: cores, queue: cpu, nodes_per_block: 2}
"""


def changed(*changes: tuple[str, str]) -> str:
    """Return the profile with texts replaced; each must be there exactly once."""
    text = PROFILE
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def parse(*changes: tuple[str, str]) -> profiles.SiteProfile:
    """Return the profile after changes."""
    return profiles.parse(changed(*changes), Path("site.yaml"))
