"""The service's client, where it needs no service."""

import json

import pytest

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.functions import wire
from pyhf_endpoint.service import Service, size


def test_an_unknown_environment_is_not_taken_for_the_hosted_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "locla")
    with pytest.raises(UsageError, match="GLOBUS_SDK_ENVIRONMENT is `locla`, which the SDK would take for production"):
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
