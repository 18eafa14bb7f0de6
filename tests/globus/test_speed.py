"""How long a published grid takes through the loopback endpoint; the figures are printed, not held."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import COMMAND
from tests.globus.standin import StandIn


def test_the_published_grid(site: str, service: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("PYHF_ENDPOINT_DATA")
    if folder is None:
        pytest.skip("PYHF_ENDPOINT_DATA names no folder of published analyses")
    inputs = [str(Path(folder) / "1Lbb" / name) for name in ("BkgOnly.json", "patchset.json")]
    times = []
    for i in range(5):
        output = tmp_path / f"{i}.jsonl"
        before, start = len(service.requests), time.monotonic()
        done = subprocess.run([*COMMAND, "hypotest", *inputs, "--site", site, "-o", str(output)], capture_output=True, text=True)
        times.append(time.monotonic() - start)
        assert done.returncode == 0, done.stderr
        assert len(output.read_text().splitlines()) == 126
        with capsys.disabled():
            new = service.requests[before:]
            refused = sum(status == 429 for _, _, status, _ in new)
            figures = f"{times[-1]:.2f} s, {len(new)} requests, {refused} of them too many"
            sys.stdout.write(f"\n1Lbb, 125 hypotheses, run {i}, the whole command: {figures}")
