"""The service's client, where it needs no service."""

import json
import subprocess
import sys
import time

import pytest

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.functions import wire
from pyhf_endpoint.service import Pace, Service, size


def test_a_pace_lets_a_burst_through_and_then_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    pace, moments = Pace(burst=3, period=2.0), []
    for _ in range(6):
        pace.wait()
        moments.append(now[0])
    assert moments == [0, 0, 0, 2, 4, 6]
    now[0] += 100
    for _ in range(4):
        pace.wait()
        moments.append(now[0])
    assert moments[6:] == [106, 106, 106, 108]


def test_no_ten_seconds_see_more_requests_than_the_service_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    pace, moments = Pace(), []
    for _ in range(100):
        pace.wait()
        moments.append(now[0])
    assert max(sum(start <= one <= start + 10 for one in moments) for start in moments) <= 19


def test_an_unknown_environment_is_not_taken_for_the_hosted_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "locla")
    with pytest.raises(UsageError, match="GLOBUS_SDK_ENVIRONMENT is `locla`, which Globus' SDK takes for the hosted service"):
        Service().allowed("x")


@pytest.mark.parametrize("payload", [b'{"a": "\\"quoted\\""}', b"[" + b'"x",' * 50_000 + b"1]"])
def test_a_tasks_size_is_what_its_request_takes(payload: bytes) -> None:
    from globus_compute_sdk.sdk.batch import Batch
    from globus_compute_sdk.serialize import ComputeSerializer, JSONData

    text = wire.encode(payload)
    batch = Batch(None, serializer=ComputeSerializer(strategy_data=JSONData()))
    batch.add("11111111-2222-4333-8444-555555555555", (text,))
    (tasks,) = batch.prepare()["tasks"].values()
    assert 0 <= size(text) - len(json.dumps(tasks[0])) <= 100


def test_the_client_does_not_load_globus_until_it_is_needed() -> None:
    script = "import sys, pyhf_endpoint.client; print(sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv)))"
    heavy = ["globus_sdk", "globus_compute_sdk", "globus_compute_endpoint", "parsl", "pika", "pyhf", "jax"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
