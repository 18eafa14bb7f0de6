"""Settling how a site is used: default < profile < variant < option, each value with its origin."""

import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import OPTIONS, Setting, resolve
from tests.profiles.example import parse

HTCONDOR = [
    (
        """  kind: slurm
  account: {required: true}
  directives: ["--no-requeue"]
  rejects: ["--qos"]
  queues:
    gpu: {node: a100, max_nodes: 4, max_walltime: "02:00:00"}
    gpu-shared: {node: a100, max_nodes: 1, max_walltime: "02:00:00", shared: true}
    cpu: {node: rome, min_nodes: 2, max_nodes: 8, max_walltime: unknown}
""",
        '  kind: htcondor\n  account: {required: true}\n  node: rome\n  max_walltime: "02:00:00"\n',
    ),
    ("request: {how: gpus-per-node}", 'request: {how: resource, text: "request_GPUs = {count}"}'),
    ("      count: 4\n", "      count: 1\n"),
    ('      affinity: "list:24-31:16-23:8-15:0-7"\n', ""),
    ("launcher: {kind: srun}", "launcher: {kind: simple}"),
    ("  queue: gpu\n  exclusive: true\n", ""),
    ("queue: gpu-shared, exclusive: false, accelerators: 1, cores_per_node: 8", "node: a100, cores_per_node: 8"),
    ("  gpu: {description: whole nodes}\n", ""),
    ("cpu: {description: cores, queue: cpu, nodes_per_block: 2}", "cpu: {description: cores}"),
]


def test_each_layer_overrides_the_one_before() -> None:
    """One setting for each origin, then the same setting through all of them."""
    site = parse(("gpu: {description: whole nodes}", "gpu: {description: whole nodes, max_blocks: 3}"))
    use = resolve(site, "gpu", {"nodes_per_block": 2})
    assert use.settings["max_idletime_s"] == Setting(120, "default")
    assert use.settings["walltime"] == Setting("01:00:00", "profile")
    assert use.settings["max_blocks"] == Setting(3, "variant")
    assert use.settings["nodes_per_block"] == Setting(2, "option")
    assert use.settings["accelerators"] == Setting(4, "node")
    assert use.settings["interface"] == Setting("hsn0", "profile")
    assert use.settings["account"] == Setting(None, "default")
    walltime = ("gpu: {description: whole nodes}", 'gpu: {description: whole nodes, walltime: "00:20:00"}')
    without = ('  walltime: "01:00:00"\n', "")
    assert resolve(parse(without), "gpu").settings["walltime"] == Setting("00:30:00", "default")
    assert resolve(parse(walltime), "gpu").settings["walltime"] == Setting("00:20:00", "variant")
    assert resolve(parse(walltime), "gpu", {"walltime": "00:05:00"}).settings["walltime"] == Setting("00:05:00", "option")


def test_false_and_zero_and_nothing_are_values_of_their_own() -> None:
    """A stated false or 0 counts, None stands for not given."""
    use = resolve(parse(), "gpu", {"exclusive": False, "accelerators": 0, "walltime": None})
    assert use.settings["exclusive"] == Setting(False, "option")
    assert use.settings["accelerators"] == Setting(0, "option")
    assert use.settings["walltime"].origin == "profile"
    assert (use.accelerators, use.slots, use["image"]) == (None, (), "cpu")
    assert use.settings["workers_per_node"] == Setting(32, "node")


def test_every_option_is_a_setting() -> None:
    assert set(resolve(parse()).settings) == set(OPTIONS)


def test_the_first_variant_is_the_default() -> None:
    assert resolve(parse()).variant == "gpu"


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_workers_per_accelerator_give_as_many_slots(shares: int) -> None:
    use = resolve(parse(), "gpu", {"workers_per_accelerator": shares})
    assert use["workers_per_node"] == 4 * shares == len(use.slots)
    assert [use.slots.count(name) for name in ("0", "1", "2", "3")] == 4 * [shares]
    assert list(use.slots) == sorted(use.slots)


def test_some_of_a_nodes_devices_are_named_by_the_batch_system() -> None:
    use = resolve(parse(), "one", {"workers_per_accelerator": 2})
    assert (use.shared, use.slots) == (True, ())
    assert (use["accelerators"], use["workers_per_node"], use["cores_per_node"], use["image"]) == (1, 2, 8, "cuda12")


def test_all_devices_of_a_shared_node_are_named() -> None:
    assert resolve(parse(), "one", {"accelerators": 4}).slots == ("0", "1", "2", "3")


def test_a_variant_may_choose_the_node_type() -> None:
    """Where a queue has several kinds: the hardware follows the choice, the limits stay the queue's."""
    use = resolve(parse(), "gpu", {"node": "rome"})
    assert (use.node_name, use["queue"], use["accelerators"], use["workers_per_node"]) == ("rome", "gpu", 0, 128)
    assert use.queue is not None
    assert use.queue.max_walltime == "02:00:00"


def test_directives_of_the_site_come_before_those_of_the_variant() -> None:
    assert resolve(parse(), "gpu", {"directives": ("--qos",)}).directives == ("--no-requeue", "--qos")


def test_htcondor_names_its_own_devices() -> None:
    """Its nodes are shared: number 0 of ours could be another job's."""
    use = resolve(parse(*HTCONDOR), "one")
    assert (use["accelerators"], use.slots, use.queue, use.shared) == (1, (), None, True)
    assert profiles.check_use(use) == []


def test_htcondors_walltime_has_a_limit_too() -> None:
    use = resolve(parse(*HTCONDOR), "cpu", {"walltime": "02:30:00"})
    assert [f"{fault.path}: {fault.message}" for fault in profiles.check_use(use)] == [
        "walltime: 02:30:00 is over the limit of the site, 02:00:00"
    ]


@pytest.mark.parametrize(
    ("variant", "options", "message"),
    [
        ("gpus", {}, "site `site` has no variant `gpus`. Did you mean `gpu`? It has: gpu, one, cpu"),
        (None, {"wall": "1"}, "unknown option `wall`. Did you mean `walltime`? Options: "),
        (None, {"queue": "gpus"}, "site `site`: queue `gpus` is not among this site's queues (gpu, gpu-shared, cpu). Did you"),
        (None, {"node": "a10"}, "site `site`: node type `a10` is not among `nodes` (a100, rome). Did you mean `a100`?"),
    ],
)
def test_what_does_not_exist_is_answered_with_the_closest(variant: str | None, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve(parse(), variant, options)
    assert str(error.value).startswith(message)


def test_a_site_without_queues_takes_none() -> None:
    with pytest.raises(UsageError, match="site `local` has no queues; leave out the queue `debug`"):
        resolve(profiles.find("local").profile, None, {"queue": "debug"})
