"""The surroundings themselves: daemon, broker and stand-in carry a task there and back."""

from pathlib import Path

from globus_compute_sdk import Client, Executor

from tests.globus.daemon import Daemon
from tests.globus.standin import Caller, StandIn


def test_the_sdk_runs_a_function_on_the_daemon(service: StandIn, caller: Caller, tmp_path: Path) -> None:
    from globus_compute_sdk.serialize import ComputeSerializer, JSONData

    with Daemon(service, caller, tmp_path, "plain") as daemon:
        client = Client()
        function = client.register_source_code("def add(a, b):\n    return a + b\n", "add")
        serializer = ComputeSerializer(strategy_data=JSONData())
        with Executor(daemon.id, client=client, serializer=serializer, result_serializers=[JSONData()]) as executor:
            assert executor.submit_to_registered_function(function, (2, 3)).result(timeout=120) == 5
        assert daemon.user_processes()
        assert len(daemon.workers()) == 2
        family = daemon.family()
    assert not [process for process in family if process.is_running()]
