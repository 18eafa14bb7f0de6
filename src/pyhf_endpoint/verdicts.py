"""Two verdicts over the workers of a site: each has the accelerator it should have, and computes on it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyhf_endpoint.functions.report import Device, WorkerReport, expand
from pyhf_endpoint.functions.visible import names

__all__ = ["VERDICTS", "Expected", "Outcome", "Reason", "Verdict", "compute_device", "differing_versions", "pinning"]

Outcome: TypeAlias = Literal["passed", "failed", "not applicable"]
_Fault: TypeAlias = tuple[str, str]  # what is wrong, and its remedy

# vendor -> the variables with which Parsl and the schedulers choose its devices, the strongest first
_VARIABLES = {
    "nvidia": ("CUDA_VISIBLE_DEVICES",),
    "amd": ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    "intel": ("ZE_AFFINITY_MASK",),
}
_LIST_THEM = "give the engine as many `available_accelerators` as there are workers on a node, the same number for each device"
# Parsl divides a worker's number by the workers per device, but only where it can count the devices.
_RAW_NUMBERS = "in a container, see that nvidia-smi runs (--nv), or name the devices by UUID"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a site promises.

    Attributes:
        accelerators_per_node: Accelerators of a job on each node; 0 at a site without any.
        vendor: `nvidia`, `amd` or `intel`; None takes whichever variable is set.
        workers_per_accelerator: Workers that may share an accelerator.
    """

    accelerators_per_node: int = 0
    vendor: str | None = None
    workers_per_accelerator: int = 1


@dataclass(frozen=True)
class Reason:
    """Why a verdict is `failed`.

    Attributes:
        text: What is wrong.
        remedy: What to do about it.
        workers: Names of the workers that show it.
    """

    text: str
    remedy: str
    workers: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """A judgement over all workers.

    Attributes:
        name: `pinning` or `compute device`.
        outcome: `passed`, `failed`, or `not applicable` where the site has no accelerators.
        summary: What was found, in one line.
        reasons: Why it failed; empty otherwise.
    """

    name: str
    outcome: Outcome
    summary: str
    reasons: tuple[Reason, ...] = ()


def pinning(reports: Sequence[WorkerReport], expected: Expected) -> Verdict:
    """Judge whether each worker has its own accelerator, one that exists, and cores enough for its threads.

    A device is known by its UUID where the worker's driver tells it, else by the node and its name in the visibility variable.
    Where there are no accelerators, only cores and threads are judged.

    Args:
        reports: The workers.
        expected: What the site promises.
    """
    pairs = list(_oversubscribed(reports))
    if expected.accelerators_per_node:
        pairs += [(report, fault) for report in reports for fault in _wrong_devices(report, expected)]
        pairs += _shared(reports, expected)
        pairs += _unheard(reports)
        kinds = len({identity for report in reports for identity in _identities(report, expected)})
        found = f"{kinds} device{_s(kinds)}"
    else:
        found = "no devices to pin"
    return _verdict("pinning", reports, pairs, found, "passed")


def compute_device(reports: Sequence[WorkerReport], expected: Expected) -> Verdict:
    """Judge whether each worker computes on an accelerator, in double precision, and right.

    Args:
        reports: The workers.
        expected: What the site promises; without accelerators, only precision and the result are judged.
    """
    pairs = [(report, fault) for report in reports for fault in _wrong_compute(report, expected)]
    places = sorted({f"{report.compute.library} on {report.compute.device}" for report in reports if report.compute.library})
    outcome: Outcome = "passed" if expected.accelerators_per_node else "not applicable"
    return _verdict("compute device", reports, pairs, ", ".join(places), outcome)


def differing_versions(reports: Sequence[WorkerReport]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the libraries whose version is not the same everywhere: version -> names of the workers.

    A library that a worker lacks has the version `absent` there.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for library in sorted({library for report in reports for library in report.versions}):
        workers: dict[str, list[str]] = defaultdict(list)
        for report in reports:
            workers[report.versions.get(library, "absent")].append(report.name)
        if len(workers) > 1:
            found[library] = {version: tuple(those) for version, those in sorted(workers.items())}
    return found


def _verdict(
    name: str, reports: Sequence[WorkerReport], pairs: Iterable[tuple[WorkerReport, _Fault]], found: str, good: Outcome
) -> Verdict:
    if not reports:
        reason = Reason("no worker answered", "see the site's logs, and wait longer for its workers: --wait", ())
        return Verdict(name, "failed", "no workers", (reason,))
    workers: dict[_Fault, list[str]] = defaultdict(list)
    for report, fault in pairs:
        workers[fault].append(report.name)
    nodes = len({report.node for report in reports})
    summary = f"{len(reports)} worker{_s(len(reports))} on {nodes} node{_s(nodes)}, {found}"
    reasons = tuple(Reason(text, remedy, tuple(those)) for (text, remedy), those in workers.items())
    return Verdict(name, "failed" if reasons else good, summary, reasons)


def _chosen(report: WorkerReport, expected: Expected) -> tuple[str, str | None]:
    """The variable that chooses the worker's devices, and its value."""
    every = [name for group in _VARIABLES.values() for name in group]
    candidates = _VARIABLES.get(expected.vendor or "", every)
    return next(((name, report.visibility[name]) for name in candidates if name in report.visibility), (candidates[0], None))


def _identities(report: WorkerReport, expected: Expected) -> set[str]:
    """The devices that the worker sees, so named that equal names are one device."""
    if report.devices.visible and all(device.uuid for device in report.devices.visible):
        return {device.uuid for device in report.devices.visible}
    _, value = _chosen(report, expected)
    return {f"{name} of {report.node}" for name in names(value or "") if name not in _not_there(report, expected)}


def _not_there(report: WorkerReport, expected: Expected) -> tuple[str, ...]:
    """The named devices that do not exist; where the driver tells of none at all, numbers are held against the site's."""
    if report.devices.present:
        return report.devices.missing
    _, value = _chosen(report, expected)
    return tuple(name for name in names(value or "") if name.isdecimal() and int(name) >= expected.accelerators_per_node)


def _wrong_devices(report: WorkerReport, expected: Expected) -> Iterator[_Fault]:
    variable, value = _chosen(report, expected)
    visible: Sequence[Device | str] = report.devices.visible or names(value or "")
    missing = _not_there(report, expected)
    if missing:
        wholes = sum(not device.parent for device in report.devices.present) or expected.accelerators_per_node
        yield (
            f"{variable}={value} names a device that is not there; the node has {wholes}",
            f"workers on a node must be at most its accelerators or a whole multiple; {_LIST_THEM}; {_RAW_NUMBERS}",
        )
    elif value is None and not visible:
        yield f"{variable} is not set and no device is seen", f"{_LIST_THEM}; see that the job asks for accelerators"
    elif value is None and len(visible) > 1:
        yield f"{variable} is not set: the worker sees all {len(visible)} devices", _LIST_THEM
    elif len(visible) != 1:
        yield f"{variable}={value} shows the worker {len(visible)} devices instead of 1", f"{_LIST_THEM}, each naming one device"


def _shared(reports: Sequence[WorkerReport], expected: Expected) -> Iterator[tuple[WorkerReport, _Fault]]:
    holders: dict[str, list[WorkerReport]] = defaultdict(list)
    for report in reports:
        for identity in _identities(report, expected):
            holders[identity].append(report)
    asked = expected.workers_per_accelerator
    for identity, those in sorted(holders.items()):
        if len(those) > asked:
            text = f"device {identity} is shared by {len(those)} workers; asked for {'is 1' if asked == 1 else f'are {asked}'}"
            remedy = f"{_LIST_THEM}; where jobs share a node, leave the choice of devices to the scheduler; or ask for sharing"
            yield from ((report, (text, remedy)) for report in those)


def _unheard(reports: Sequence[WorkerReport]) -> Iterator[tuple[WorkerReport, _Fault]]:
    """A pool of Parsl's that has more workers than answered: what those hold is not known."""
    pools: dict[str, list[WorkerReport]] = defaultdict(list)
    for report in reports:
        if report.parsl.pool and report.parsl.count.isdecimal():
            pools[report.parsl.pool].append(report)
    for those in pools.values():
        count = int(those[0].parsl.count)
        if len(those) < count:
            text = f"{len(those)} of the {count} workers on {those[0].node} answered"
            yield from ((report, (text, "probe for longer: --seconds 2 --wait 300")) for report in those)


def _oversubscribed(reports: Sequence[WorkerReport]) -> Iterator[tuple[WorkerReport, _Fault]]:
    """Workers whose threads together are more than the cores they share; held for every set of cores that occurs."""
    for node in sorted({report.node for report in reports}):
        here = [report for report in reports if report.node == node and report.cpus]
        accused: set[str] = set()
        for cpus in sorted({report.cpus for report in here}, key=lambda cpus: len(expand(cpus))):
            cores = expand(cpus)
            inside = [report for report in here if expand(report.cpus) <= cores]
            threads = sum(report.threads or 1 for report in inside)
            if threads > len(cores) and not accused & {report.name for report in inside}:
                accused |= {report.name for report in inside}
                workers = f"{len(inside)} worker{_s(len(inside))} on {node}"
                text = f"{threads} threads of {workers} share {len(cores)} core{_s(len(cores))}: {cpus}"
                yield from ((report, (text, _fewer_threads(len(inside), len(cores)))) for report in inside)


def _fewer_threads(workers: int, cores: int) -> str:
    variables = "OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS"
    if workers <= cores:
        return f"set {variables} to {cores // workers} for the workers"
    return f"start at most {cores} worker{_s(cores)} there, with {variables} set to 1"


def _wrong_compute(report: WorkerReport, expected: Expected) -> Iterator[_Fault]:
    compute, fault = report.compute, report.faults.get("compute") or report.faults.get("devices")
    if not compute.library:
        yield f"nothing could be computed ({fault})", "see that the driver answers on that node: nvidia-smi or rocm-smi"
        return
    if expected.accelerators_per_node and compute.platform == "cpu":
        yield f"computed on the CPU: {'; '.join(filter(None, (compute.note, fault)))}", _gpu_remedy(report, expected)
    if not compute.x64:
        yield f"{compute.library} on {compute.device} computes in single precision", "set JAX_ENABLE_X64=1 for the workers"
    if not compute.agrees:
        yield f"{compute.library} on {compute.device} gets another product than NumPy", "take the node out: its device is faulty"


def _gpu_remedy(report: WorkerReport, expected: Expected) -> str:
    if not report.compute.gpu_builds:
        return "take the site's GPU image, or install a GPU build on the workers: the extra `cupy`, or JAX for the vendor"
    variable, _ = _chosen(report, expected)
    flag = {"nvidia": "--nv", "amd": "--rocm"}.get(expected.vendor or "", "--nv or --rocm")
    return (
        f"see that {variable} names a device that exists, that the container is started with {flag},"
        " that JAX_PLATFORMS is not `cpu`, and that the driver is new enough for the GPU build"
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


#: Both verdicts, in the order in which they are shown.
VERDICTS: tuple[Callable[[Sequence[WorkerReport], Expected], Verdict], ...] = (pinning, compute_device)
