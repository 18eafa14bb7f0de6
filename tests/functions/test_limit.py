"""A task's time limit on the worker: raised by Globus Compute's own code, and by force where that does not help."""

import json
import subprocess
import sys

import pytest

from pyhf_endpoint.functions import Function, TimeLimitError, limit, wire

# What the worker of Globus Compute's engine calls, with a task that takes two seconds and then one that takes none.
_TWO_TASKS = """
import json, sys, uuid
from globus_compute_common import messagepack
from globus_compute_endpoint.engines.helper import execute_task
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect
from pyhf_endpoint.functions import Function, wire

function = Function("probe")
serializer = ComputeSerializer(strategy_data=JSONData())
code = f"{PureSourceTextInspect.identifier}{function.name}:{function.source}"
answers = []
for seconds in (2, 0):
    text = wire.encode(json.dumps({"seconds": seconds}).encode())
    buffers = ComputeSerializer.pack_buffers([code, serializer.serialize([text]), serializer.serialize({})])
    task = uuid.uuid4()
    packed = messagepack.pack(messagepack.message_types.Task(task_id=task, task_buffer=buffers))
    found = messagepack.unpack(execute_task(packed, task, run_dir=sys.argv[1]))
    answers.append(serializer.deserialize(found.data))
print(json.dumps(answers))
"""
# Sleeps in native code, with Python's lock held: no signal handler and no exception of Python's gets through.
_NATIVE = """
import ctypes
from pyhf_endpoint.functions import limit

limit.GRACE_S = 0.2
with limit.last_resort():
    print("in", flush=True)
    ctypes.PyDLL(None).sleep(60)
print("out")
"""


def test_a_task_that_takes_too_long_ends_and_the_next_one_runs(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limit.VARIABLE, "1")
    done = subprocess.run([sys.executable, "-c", _TWO_TASKS, str(tmp_path)], capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout.splitlines()[-1])
    with pytest.raises(TimeLimitError, match="the time limit of 1 s for one task has passed; to allow more: --option task_lim"):
        wire.result(first)
    assert json.loads(wire.result(second))["versions"]["python"] == sys.version.split()[0]


def test_native_code_that_does_not_come_back_ends_with_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limit.VARIABLE, "0.3")
    done = subprocess.run([sys.executable, "-c", _NATIVE], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (1, "in\n")
    assert "Timeout (0:00:00.500000)!" in done.stderr
    assert 'File "<string>", line 8 in <module>' in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("0", None), ("-1", None), ("an hour", None), ("90", 90.0), ("0.5", 0.5)]
)
def test_the_limit_of_a_process(text: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is None:
        monkeypatch.delenv(limit.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(limit.VARIABLE, text)
    assert limit.seconds() == seconds


def test_without_a_limit_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(limit.VARIABLE, raising=False)
    answer = wire.answer("ready", wire.encode(b"{}"))
    assert wire.result(answer) == Function("ready")(b"{}")
