"""One failing example for every rule, with the exact words; and what the rules leave alone."""

import re
from pathlib import Path

import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.errors import InputError
from pyhf_endpoint.profiles import rules
from tests.profiles.example import parse

GPU = ("gpu: {description: whole nodes}", "gpu: {{description: whole nodes, {0}}}")
ONE = "accelerators: 1, cores_per_node: 8}"
CPU = "queue: cpu, nodes_per_block: 2"
SIX = "6 workers cannot share 4 accelerators evenly; take 4 or fewer, or a multiple such as 8"
PATTERN_NOTE = "write it without braces, quotes and shell characters; pass values that need them through `environment`"


def on_gpu(settings: str) -> tuple[str, str]:
    """The change that adds settings to the variant gpu."""
    return GPU[0], GPU[1].format(settings)


FAULTS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    # what a value may be
    "unquoted walltime": (
        [('walltime: "01:00:00"\n', "walltime: 1:00:00\n")],
        ['run.walltime: found the number 3600; put quotes around it ("01:00:00"), or YAML reads it as seconds'],
    ),
    "unquoted limit": (
        [
            (
                'gpu: {node: a100, max_nodes: 4, max_walltime: "02:00:00"}',
                "gpu: {node: a100, max_nodes: 4, max_walltime: 48:00:00}",
            )
        ],
        [
            (
                'scheduler.queues.gpu.max_walltime: found the number 172800; put quotes around it ("01:00:00"), or YAML reads it'
                " as seconds"
            )
        ],
    ),
    "walltime of another form": (
        [('max_nodes: 4, max_walltime: "02:00:00"', 'max_nodes: 4, max_walltime: "2 days"')],
        [
            (
                "scheduler.queues.gpu.max_walltime: found '2 days'; write HOURS:MINUTES:SECONDS in quotes (\"01:00:00\"), or"
                " write `unknown`"
            )
        ],
    ),
    "heartbeats that would lose a node by one that is late": (
        [on_gpu("heartbeat_period_s: 100")],
        ["variants.gpu.heartbeat_threshold_s: 120 is less than two periods of 100 s; give at least 200"],
    ),
    "braces in container flags": (
        [("flags: --nv", 'flags: "--env A={}"')],
        [f"container.flags: found '--env A={{}}'; {PATTERN_NOTE}"],
    ),
    "quotes in container flags": (
        [("flags: --nv", "flags: --env 'A=b c'")],
        [f"container.flags: found \"--env 'A=b c'\"; {PATTERN_NOTE}"],
    ),
    "braces in launcher overrides": (
        [("launcher: {kind: srun}", 'launcher: {kind: srun, overrides: "-c {n}"}')],
        ["launcher.overrides: found '-c {n}'; write it on one line and without braces"],
    ),
    "prefix in a directive": (
        [('["--no-requeue"]', '["#SBATCH --no-requeue"]')],
        [
            (
                "scheduler.directives.0: found '#SBATCH --no-requeue'; write one option as on the command line, without the"
                " prefix that makes it a line of a job script"
            )
        ],
    ),
    "impossible date": (
        [("date: 2026-01-31", "date: 2026-13-31")],
        ["sources.guide.date: found '2026-13-31'; write YEAR-MONTH-DAY (2026-01-31)"],
    ),
    "neither a value nor unknown": (
        [("  rome: {cores: 128}", "  rome: {cores: many}")],
        ["nodes.rome.cores: Input should be a valid integer, found 'many'; or write `unknown`"],
    ),
    "no kind": (
        [("  kind: slurm\n", "")],
        ["scheduler: `kind` is missing; add one of: slurm, pbspro, cobalt, torque, htcondor, kubernetes, local"],
    ),
    "misspelt kind": (
        [("  kind: slurm\n", "  kind: slrum\n")],
        [
            (
                "scheduler: unknown kind `slrum`. Did you mean `slurm`? Known kinds: slurm, pbspro, cobalt, torque, htcondor,"
                " kubernetes, local"
            )
        ],
    ),
    # evidence
    "fact without a source": (
        [("guide: [architecture, scheduler, nodes, network, launcher]", "guide: [architecture, scheduler, nodes, launcher]")],
        ["network.interface: no source; name it under `sourced` or `inferred`, or write `unknown`"],
    ),
    "source for no fact": (
        [("inferred:\n", "inferred:\n  nodes.rome.threads: as elsewhere\n")],
        ["nodes.rome.threads: named under `sourced` or `inferred`, but there is no such fact; remove it or mend the path"],
    ),
    "misspelt source": (
        [("  guide: [arch", "  guid: [arch")],
        [
            "sourced.guid: no such source. Did you mean `guide`? Describe it under `sources`",
            "sources.guide: nothing is taken from it; name its facts under `sourced`, or remove it",
        ],
    ),
    # nodes and devices
    "misspelt node type": (
        [("cpu: {node: rome", "cpu: {node: roma")],
        ["scheduler.queues.cpu.node: `roma` is not among `nodes` (a100, rome). Did you mean `rome`?"],
    ),
    "misspelt node type in a variant": (
        [on_gpu("node: a10")],
        ["variants.gpu: site `site`: node type `a10` is not among `nodes` (a100, rome). Did you mean `a100`?"],
    ),
    "too few names of devices": (
        [("      affinity", '      devices: ["0", "1", "2"]\n      affinity')],
        ["nodes.a100.accelerators.devices: 3 names for 4 devices; name each once"],
    ),
    "a device named twice": (
        [("      affinity", '      devices: ["0", "1", "2", "2"]\n      affinity')],
        ["nodes.a100.accelerators.devices: 3 names for 4 devices; name each once"],
    ),
    "affinity of too few ranks": (
        [("list:24-31:16-23:8-15:0-7", "list:24-31:16-23:8-15")],
        ["nodes.a100.accelerators.affinity: 3 CPU lists for 4 devices; give each device one"],
    ),
    "another vendor's variable": (
        [("visibility: CUDA_VISIBLE_DEVICES", "visibility: ROCR_VISIBLE_DEVICES")],
        ["nodes.a100.accelerators.visibility: nvidia devices are shown by CUDA_VISIBLE_DEVICES"],
    ),
    "another batch system's request": (
        [("request: {how: gpus-per-node}", 'request: {how: select, text: "ngpus={count}"}')],
        [
            (
                "nodes.a100.accelerators.request.how: `select` is not a way of slurm; choose from: directive, gpus-per-node,"
                " gres, whole-node"
            )
        ],
    ),
    "request without its text": (
        [("request: {how: gpus-per-node}", "request: {how: gres}")],
        ["nodes.a100.accelerators.request.text: `gres` takes a text"],
    ),
    "request with a text too many": (
        [("request: {how: gpus-per-node}", 'request: {how: gpus-per-node, text: "gpu:{count}"}')],
        ["nodes.a100.accelerators.request.text: `gpus-per-node` takes no text"],
    ),
    "request without the number": (
        [("request: {how: gpus-per-node}", 'request: {how: gres, text: "gpu:4"}')],
        ["nodes.a100.accelerators.request.text: `gpu:4`; write {count} once, where the number belongs"],
    ),
    "request with other braces": (
        [("request: {how: gpus-per-node}", 'request: {how: gres, text: "gpu:{count}{n}"}')],
        ["nodes.a100.accelerators.request.text: `gpu:{count}{n}`; write {count} once, where the number belongs"],
    ),
    # queues and launcher
    "limits out of order": (
        [("min_nodes: 2, max_nodes: 8", "min_nodes: 9, max_nodes: 8")],
        ["scheduler.queues.cpu.min_nodes: 9 is more than max_nodes, 8"],
    ),
    "another batch system's launcher": (
        [("launcher: {kind: srun}", "launcher: {kind: aprun}")],
        ["launcher.kind: `aprun` is not for slurm; choose from: mpiexec, mpirun, simple, single-node, srun"],
    ),
    "binding without mpiexec": (
        [("launcher: {kind: srun}", "launcher: {kind: srun, bind_cmd: --cpu-bind}")],
        ["launcher.bind_cmd: belongs to the launcher `mpiexec` alone; remove it"],
    ),
    # ways of use
    "misspelt queue": (
        [("  queue: gpu\n", "  queue: gpuu\n")],
        ["variants.gpu: site `site`: queue `gpuu` is not among this site's queues (gpu, gpu-shared, cpu). Did you mean `gpu`?"],
    ),
    "no queue": (
        [("  queue: gpu\n", "")],
        ["variants.gpu: site `site`: needs a queue; it has queues (gpu, gpu-shared, cpu)."],
    ),
    "no walltime to speak of": (
        [on_gpu('walltime: "00:00:59"')],
        ["variants.gpu.walltime: 00:00:59 is less than a minute; give at least 00:01:00"],
    ),
    "walltime over the limit": (
        [on_gpu('walltime: "02:01:00"')],
        ["variants.gpu.walltime: 02:01:00 is over the limit of gpu, 02:00:00"],
    ),
    "walltime over the limit by seconds": (
        [on_gpu('walltime: "02:00:01"')],
        ["variants.gpu.walltime: 02:00:01 is over the limit of gpu, 02:00:00"],
    ),
    "too few nodes": (
        [(CPU, "queue: cpu, nodes_per_block: 1")],
        ["variants.cpu.nodes_per_block: 1 is less than queue cpu takes, 2"],
    ),
    "too many nodes": (
        [on_gpu("nodes_per_block: 5")],
        ["variants.gpu.nodes_per_block: 5 is more than queue gpu takes, 4"],
    ),
    "exclusive not stated": (
        [("  exclusive: true\n", "")],
        [
            "variants.gpu.exclusive: not stated; say true for whole nodes or false, in `run` or in the variant",
            "variants.cpu.exclusive: not stated; say true for whole nodes or false, in `run` or in the variant",
        ],
    ),
    "exclusive in a shared queue": (
        [("queue: gpu-shared, exclusive: false", "queue: gpu-shared, exclusive: true")],
        ["variants.one.exclusive: true, but queue gpu-shared shares its nodes; say false"],
    ),
    "six workers on four GPUs": (
        [on_gpu("workers_per_node: 6")],
        [f"variants.gpu.workers_per_node: {SIX}"],
    ),
    "two workers for each GPU, not said so": (
        [on_gpu("workers_per_node: 8")],
        ["variants.gpu.workers_per_node: 8, but 4 shares of accelerators; set workers_per_accelerator to 2"],
    ),
    "more GPUs than a node has": (
        [on_gpu("accelerators: 8, workers_per_node: 8")],
        ["variants.gpu.accelerators: 8 asked for, but nodes of type `a100` have 4"],
    ),
    "GPUs of a node that has none": (
        [(CPU, f"{CPU}, accelerators: 1")],
        ["variants.cpu.accelerators: 1 asked for, but nodes of type `rome` have 0"],
    ),
    "some of a node's GPUs": (
        [(ONE, "accelerators: 2, cores_per_node: 8}")],
        [
            (
                "variants.one.accelerators: 2 of a node's 4 cannot be shared out to workers, as the batch system alone knows"
                " which they are; take 1, or all"
            )
        ],
    ),
    "rejected directive": (
        [on_gpu('directives: ["--qos=high"]')],
        ["variants.gpu.directives: the site rejects `--qos`; do without it"],
    ),
    "rejected memory": (
        [('["--qos"]', '["--mem"]'), (ONE, "accelerators: 1, memory_gb: 8}")],
        ["variants.one.memory_gb: the site rejects `--mem`; do without it"],
    ),
    "rejected request": (
        [('["--qos"]', '["--gpus-per"]'), (ONE, "accelerators: 0}")],
        ["variants.gpu.accelerators: the site rejects `--gpus-per`; do without it"],
    ),
    "rejected exclusive": (
        [
            ('["--qos"]', '["--exclusive"]'),
            (CPU, f"{CPU}, exclusive: false"),
        ],
        ["variants.gpu.exclusive: the site rejects `--exclusive`; do without it"],
    ),
    "another vendor's image": (
        [on_gpu("image: rocm")],
        ["variants.gpu.image: `rocm` does not run on nvidia nodes; choose from: cpu, cuda12, cuda13"],
    ),
    "GPU image without a GPU": (
        [on_gpu("accelerators: 0, image: cuda12")],
        ["variants.gpu.image: `cuda12` does not run on CPU nodes; choose from: cpu"],
    ),
    "several nodes without a launcher": (
        [("launcher: {kind: srun}", "launcher: {kind: simple}")],
        ["variants.cpu.nodes_per_block: 2, but the launcher `simple` reaches one node"],
    ),
    "more cores than a node has": (
        [on_gpu("cores_per_node: 65")],
        ["variants.gpu.cores_per_node: 65, but nodes of type `a100` have 64"],
    ),
    # together
    "two faults together": (
        [on_gpu('walltime: "03:00:00", workers_per_node: 6')],
        [
            "variants.gpu.walltime: 03:00:00 is over the limit of gpu, 02:00:00",
            f"variants.gpu.workers_per_node: {SIX}",
        ],
    ),
    "faults of the facts come before those of the variants": (
        [("launcher: {kind: srun}", "launcher: {kind: aprun}"), on_gpu("workers_per_node: 6")],
        ["launcher.kind: `aprun` is not for slurm; choose from: mpiexec, mpirun, simple, single-node, srun"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_rule_is_named_with_place_value_and_remedy(name: str) -> None:
    changes, faults = FAULTS[name]
    with pytest.raises(InputError) as error:
        parse(*changes)
    head, *lines, last = str(error.value).splitlines()
    assert lines == [f"  {fault}" for fault in faults]
    assert head == f"site.yaml has {len(faults)} fault{'s' if len(faults) > 1 else ''}"
    assert last == "fix these, then run: pyhf-endpoint sites check --profile site.yaml"


def test_every_message_of_the_rules_has_an_example() -> None:
    """A message is known by the words that no value stands in."""
    source = Path(rules.__file__).read_text(encoding="utf-8")
    said = "\n".join(line for _, faults in FAULTS.values() for line in faults)
    messages = re.findall(r'Fault\(\s*(?:f?"[^"]*",\s*)f?"((?:[^"\\]|\\.)*)"', source)
    assert len(messages) >= 20
    for message in messages:
        words = max(
            (part.replace("{{", "{").replace("}}", "}") for part in re.split(r"(?<!\{)\{(?!\{)[^}]*\}", message)), key=len
        )
        assert words.strip() in said, message


ALLOWED: dict[str, list[tuple[str, str]]] = {
    "the example itself": [],
    "as many workers as devices": [on_gpu("workers_per_node: 4")],
    "fewer workers than devices": [on_gpu("workers_per_node: 2")],
    "two workers for each device": [on_gpu("workers_per_accelerator: 2")],
    "two workers for each device, counted": [on_gpu("workers_per_accelerator: 2, workers_per_node: 8")],
    "the longest walltime": [on_gpu('walltime: "02:00:00"')],
    "one hardware thread more than cores": [on_gpu("cores_per_node: 33")],
    "any walltime where the limit is unknown": [(CPU, f'{CPU}, walltime: "99:00:00"')],
    "all of a shared node's devices": [(ONE, "accelerators: 4}")],
    "braces where the number belongs": [("request: {how: gpus-per-node}", 'request: {how: gres, text: "gpu:a100:{count}"}')],
    "other options than the rejected": [on_gpu('directives: ["--signal=USR1@60"]')],
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_right_is_let_pass(name: str) -> None:
    assert profiles.check(parse(*ALLOWED[name])) == []


def test_options_are_checked_as_variants_are() -> None:
    use = profiles.resolve(parse(), "gpu", {"workers_per_node": 6, "walltime": "05:00:00"})
    assert [(fault.path, fault.message) for fault in profiles.check_use(use)] == [
        ("walltime", "05:00:00 is over the limit of gpu, 02:00:00"),
        ("workers_per_node", SIX),
    ]
