"""When a task counts as lost."""

import time
from concurrent.futures import Future

import pytest

from pyhf_endpoint.transport.pending import Job, Ledger, Patience


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands until it is set."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


PATIENCE = Patience(quiet_s=10, factor=5, least_s=20, first_s=300)


def job(*, is_probe: bool = False) -> Job:
    return Job("function", "text", 4, Future(), is_probe)


def test_a_queued_task_is_never_lost(clock: list[float]) -> None:
    now = clock
    ledger = Ledger(PATIENCE)
    ledger.sent(job(), "a")
    now[0] += 1e6
    assert ledger.lost() == []
    assert ledger.wants_probe()


def test_what_came_before_a_task_that_is_back_has_started(clock: list[float]) -> None:
    now = clock
    ledger, first, second, third = Ledger(PATIENCE), job(), job(), job()
    for one, name in ((first, "a"), (second, "b"), (third, "c")):
        ledger.sent(one, name)
    now[0] += 5
    assert ledger.settle("b", seconds=10.0) is second
    assert ledger.jobs() == [first, third]
    now[0] += 50
    assert ledger.lost() == []
    now[0] += 0.1
    assert ledger.lost() == [first]  # the third may still be queued


def test_the_least_and_the_first_times(clock: list[float]) -> None:
    now = clock
    ledger, one = Ledger(PATIENCE), job()
    ledger.sent(one, "a")
    ledger.sent(job(is_probe=True), "p")
    ledger.settle("p", seconds=0.001)  # a probe tells nothing of how long a task takes
    now[0] += 300
    assert ledger.lost() == []
    now[0] += 0.1
    assert ledger.lost() == [one]
    ledger.sent(job(), "b")
    ledger.settle("b", seconds=0.1)
    assert ledger.lost() == [one]
    ledger.sent(one, "c")  # again
    assert ledger.lost() == []
    ledger.sent(job(), "d")
    ledger.settle("d", seconds=0.1)
    now[0] += 20
    assert ledger.lost() == []
    now[0] += 0.1
    assert ledger.lost() == [one]


def test_each_attempt_without_a_measure_gets_twice_the_time(clock: list[float]) -> None:
    now = clock
    ledger, one = Ledger(PATIENCE), job()
    ledger.sent(one, "a")
    ledger.sent(one, "b")
    ledger.sent(job(is_probe=True), "p")
    ledger.settle("p", seconds=None)
    now[0] += 600
    assert ledger.lost() == []
    now[0] += 0.1
    assert ledger.lost() == [one]


def test_the_first_attempt_that_is_back_counts(clock: list[float]) -> None:
    ledger, one = Ledger(PATIENCE), job()
    ledger.sent(one, "a")
    ledger.sent(one, "b")
    assert ledger.tasks() == ["a", "b"]
    assert ledger.settle("a", None) is one
    assert ledger.tasks() == []


def test_probes_come_more_and_more_rarely_while_nothing_comes_back(clock: list[float]) -> None:
    now = clock
    ledger = Ledger(PATIENCE)
    ledger.sent(job(), "a")
    moments = []
    for _ in range(2000):
        now[0] += 1
        if ledger.wants_probe():
            moments.append(now[0] - 1000)
    assert moments == [10, 30, 70, 150, 310, 610, 910, 1210, 1510, 1810]


def test_nothing_is_probed_once_all_have_started(clock: list[float]) -> None:
    now = clock
    ledger = Ledger(PATIENCE)
    ledger.sent(job(), "a")
    ledger.sent(job(), "b")
    ledger.settle("b", 1.0)
    now[0] += 100
    assert not ledger.wants_probe()


def test_the_last_attempt_waits_for_what_the_endpoint_says_of_a_task_that_hangs(clock: list[float]) -> None:
    now = clock
    ledger, one = Ledger(PATIENCE, limit_s=1000), job()
    for name in ("a", "b", "c"):
        ledger.sent(one, name)
        ledger.sent(job(), "z")
        ledger.settle("z", 0.1)
        now[0] += 20.1
        assert (ledger.lost() == [one]) is (name != "c")
    now[0] += 2000 + 120 - 20.2
    assert ledger.lost() == []
    now[0] += 0.2
    assert ledger.lost() == [one]
