"""CUDA_VISIBLE_DEVICES against what there is, by CUDA's rules."""

import pytest

from pyhf_endpoint.functions.report import Device
from pyhf_endpoint.functions.visible import choose, names

FOUR = tuple(Device(uuid=f"GPU-{letter}{letter}-0", index=index) for index, letter in enumerate("abcd"))
# Two devices in MIG mode, with two slices and one, and a whole one.
SLICED = (
    Device(uuid="GPU-aa", index=0),
    Device(uuid="MIG-a1", parent="GPU-aa"),
    Device(uuid="MIG-a2", parent="GPU-aa"),
    Device(uuid="GPU-bb", index=1),
    Device(uuid="MIG-b1", parent="GPU-bb"),
    Device(uuid="GPU-cc", index=2),
)
CASES = [
    (FOUR, None, "aa bb cc dd", ""),
    (FOUR, "", "", ""),
    (FOUR, "0", "aa", ""),
    (FOUR, "3,1", "dd bb", ""),
    (FOUR, "-1", "", ""),
    (FOUR, "0,2,-1,1", "aa cc", ""),
    (FOUR, "5", "", "5"),
    (FOUR, "0,5,1", "aa", "5"),
    (FOUR, "GPU-bb-0", "bb", ""),
    (FOUR, " gpu-cc , 0 ", "cc aa", ""),
    (FOUR, "GPU-", "", "GPU-"),
    (FOUR, "NoDevFiles", "", "NoDevFiles"),
    ((), "0", "", "0"),
    ((), None, "", ""),
    (SLICED, None, "a1 b1 cc", ""),
    (SLICED, "1", "b1", ""),
    (SLICED, "2", "cc", ""),
    (SLICED, "MIG-a2", "a2", ""),
    (SLICED, "MIG-a9", "", "MIG-a9"),
    (SLICED, "GPU-aa", "a1", ""),
]


@pytest.mark.parametrize(("present", "value", "visible", "missing"), CASES)
def test_choose(present: tuple[Device, ...], value: str | None, visible: str, missing: str) -> None:
    found, absent = choose(present, value)
    assert [device.uuid.split("-")[1] for device in found] == visible.split()
    assert list(absent) == missing.split()


@pytest.mark.parametrize(("value", "found"), [("0", "0"), ("0, 1", "0 1"), ("0.0,0.1", "0.0 0.1"), ("1,-1,2", "1"), ("", "")])
def test_names(value: str, found: str) -> None:
    assert list(names(value)) == found.split()
