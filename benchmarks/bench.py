"""The figures of the README: one table, measured in one run on one machine, on a published or the generated analysis."""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "pyhf_endpoint"]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Json = dict[str, Any]


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--many", type=int, nargs="*", default=[1_000, 10_000], help="numbers of hypotheses for growth")
    parser.add_argument("--pyhf", type=int, default=2, help="hypotheses that pyhf computes for comparison")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of the quick measurements; the median counts")
    parser.add_argument("--grow", nargs=3, help=argparse.SUPPRESS)  # a child process: workspace, patch set, number
    arguments = parser.parse_args()
    if arguments.grow:
        _grow(Path(arguments.grow[0]), Path(arguments.grow[1]), int(arguments.grow[2]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        name, files = _analysis(Path(scratch))
        count = len(json.loads(files[1].read_text())["patches"])
        print(f"{name}, {count} hypotheses; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
        print("| what | seconds | per hypothesis | ratio |\n|---|---|---|---|")
        rows = list(_rows(files, count, Path(scratch), arguments))
        reference = next(seconds for label, seconds, _, _ in rows if "2 workers" in label)
        for label, seconds, hypotheses, note in rows:
            each = f"{1e3 * seconds / hypotheses:.2f} ms" if hypotheses else ""
            ratio = f"{seconds / hypotheses / (reference / count):.3g}" if hypotheses else ""
            print(f"| {label}{note} | {seconds:.2f} | {each} | {ratio} |")


def _analysis(scratch: Path) -> tuple[str, tuple[Path, Path]]:
    data = os.environ.get("PYHF_ENDPOINT_DATA")
    if data:
        folder = Path(data) / "1Lbb"
        return "ATLAS 1Lbb (SUSY-2019-08)", (folder / "BkgOnly.json", folder / "patchset.json")
    subprocess.run([*COMMAND, "example", str(scratch / "example")], check=True, capture_output=True)
    return "generated example", (scratch / "example/BkgOnly.json", scratch / "example/patchset.json")


def _rows(
    files: tuple[Path, Path], count: int, scratch: Path, arguments: argparse.Namespace
) -> Iterator[tuple[str, float, int, str]]:
    """Label, seconds, hypotheses, note."""
    repeat = arguments.repeat
    importing = [
        _seconds([sys.executable, "-c", code]) for code in ["pass", "import pyhf_endpoint.client"] for _ in range(repeat)
    ]
    bare, client = statistics.median(importing[:repeat]), statistics.median(importing[repeat:])
    yield "import of the client, Python itself taken off", client - bare, 0, ""
    for workers in (1, 2):
        command = [*COMMAND, "hypotest", *map(str, files), "-o", str(scratch / "r.jsonl"), "--overwrite", "--quiet"]
        timed = [_seconds([*command, "--workers", str(workers)]) for _ in range(repeat)]
        label = f"whole command, cold, {workers} worker{'s' * (workers > 1)}"
        yield label, statistics.median(timed), count, f" (best {min(timed):.2f} s)"
    for number in [count, *arguments.many]:
        child = [sys.executable, __file__, "--grow", *map(str, files), str(number)]
        done = subprocess.run(child, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD)
        found = json.loads(done.stdout)
        yield f"fit alone, warm, 1 core, {number:,} hypotheses", found["seconds"], number, f" (peak {found['peak_mb']:.0f} MB)"
    names = [patch["metadata"]["name"] for patch in json.loads(files[1].read_text())["patches"]]
    chosen = names[:: max(1, len(names) // max(1, arguments.pyhf))][: arguments.pyhf]
    for engine in ("pyhf", "pyhf-jax"):
        command = [*COMMAND, "hypotest", *map(str, files), "-o", str(scratch / "p.jsonl"), "--overwrite", "--quiet"]
        command += ["--engine", engine, "--workers", "1", *(word for name in chosen for word in ("--patch", name))]
        if chosen:
            yield f"engine `{engine}`, {len(chosen)} hypotheses, 1 worker", _seconds(command), len(chosen), ""


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):  # 1: a hypothesis gave no number, which is not for a benchmark to judge
        sys.exit(done.stderr)
    return seconds


def _grow(workspace: Path, patchset: Path, number: int) -> None:
    """Time `number` hypotheses, the grid's own repeated under new names, after a first chunk has warmed the caches."""
    from pyhf_endpoint.histfactory import hypotest

    background: Json = json.loads(workspace.read_text())
    patches = [patch["patch"] for patch in json.loads(patchset.read_text())["patches"]]
    hypotest(background, [("warm", patches[0])])
    start = time.perf_counter()
    results = hypotest(background, ((f"h{i}", patches[i % len(patches)]) for i in range(number)))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "results": len(results)}))


if __name__ == "__main__":
    main()
