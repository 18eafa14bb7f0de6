"""The pace of requests, on a clock that only sleeping moves."""

import time
from pathlib import Path

import pytest

from pyhf_endpoint.pace import Pace


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    moment = [1e9]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(time, "time", lambda: moment[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: moment.__setitem__(0, moment[0] + seconds))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return moment


def moments(now: list[float], *paces: Pace, count: int) -> list[float]:
    """When requests go through, the paces taking turns."""
    found = []
    for i in range(count):
        paces[i % len(paces)].wait()
        found.append(now[0] - 1e9)
    return found


def test_a_burst_and_then_a_rate(now: list[float]) -> None:
    pace = Pace(burst=3, period=2.0)
    assert moments(now, pace, count=6) == [0, 0, 0, 2, 4, 6]
    now[0] += 94
    assert moments(now, pace, count=4) == [100, 100, 100, 102]


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_no_ten_seconds_see_more_requests_than_the_service_takes(now: list[float], processes: int) -> None:
    found = moments(now, *(Pace() for _ in range(processes)), count=100)
    assert found == sorted(found)
    assert max(sum(start <= one < start + 10 for one in found) for start in found) <= 18


def test_commands_that_follow_each_other_share_the_window(now: list[float]) -> None:
    first, second, third = (moments(now, Pace(), count=7) for _ in range(3))
    assert first == second == [0] * 7
    assert third == [0] * 4 + [10] * 3


def test_a_damaged_note_or_a_clock_set_back_keeps_nobody_waiting(now: list[float], tmp_path: Path) -> None:
    path = tmp_path / "pyhf-endpoint" / "requests"
    path.parent.mkdir()
    path.write_text("".join(f"{1e9 + 1000 + i}\n" for i in range(30)) + "x\n")
    assert moments(now, Pace(), count=2) == [0, 0]


def test_without_a_folder_to_write_each_process_counts_for_itself(now: list[float], tmp_path: Path) -> None:
    (tmp_path / "pyhf-endpoint").write_text("a file in the folder's place")
    assert moments(now, Pace(), Pace(), Pace(), count=24) == [0] * 24
