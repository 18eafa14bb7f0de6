"""NVML's calling convention, through real C function pointers that stand for the driver's library."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from pyhf_endpoint.functions import nvml
from pyhf_endpoint.functions.report import Device

UINT, POINTER = ctypes.c_uint, ctypes.c_void_p
NOT_SUPPORTED, NOT_FOUND, NO_PERMISSION = 3, 6, 4
GIB = 2**30
# handle -> UUID, name, memory, handles of slices (None: a place for a slice that is empty)
MACHINE: dict[int, tuple[str, str, int, list[int | None]]] = {
    0x10: ("GPU-5a1b", "NVIDIA A100-SXM4-40GB", 40 * GIB, []),
    0x20: ("GPU-77ff", "NVIDIA A100-SXM4-40GB", 40 * GIB, [0x21, None, 0x22]),
    0x21: ("MIG-0001", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20 * GIB, []),
    0x22: ("MIG-0002", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20 * GIB, []),
}


def put(place: int, kind: Any, value: Any) -> int:
    ctypes.cast(place, ctypes.POINTER(kind))[0] = value
    return 0


def write(place: int, text: str, length: int) -> int:
    data = text.encode() + b"\0"
    if len(data) > length:
        return 7
    ctypes.memmove(place, data, len(data))
    return 0


def c_function(*kinds: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a C function pointer of a Python function that returns an nvmlReturn_t."""
    return ctypes.CFUNCTYPE(ctypes.c_int, *kinds)


class Library:
    """What `ctypes.CDLL("libnvidia-ml.so.1")` would be on a machine with two A100, one of them in slices."""

    def __init__(self, init: int = 0, memory: int = 0, with_mig: bool = True) -> None:
        self.ended = 0
        wholes = (0x10, 0x20)
        self.nvmlInit_v2 = c_function()(lambda: init)
        self.nvmlShutdown = c_function()(self.end)
        self.nvmlSystemGetDriverVersion = c_function(POINTER, UINT)(lambda place, size: write(place, "550.54.15", size))
        self.nvmlDeviceGetCount_v2 = c_function(POINTER)(lambda place: put(place, UINT, len(wholes)))
        self.nvmlDeviceGetHandleByIndex_v2 = c_function(UINT, POINTER)(lambda i, place: put(place, POINTER, wholes[i]))
        self.nvmlDeviceGetUUID = c_function(POINTER, POINTER, UINT)(lambda h, place, size: write(place, MACHINE[h][0], size))
        self.nvmlDeviceGetName = c_function(POINTER, POINTER, UINT)(lambda h, place, size: write(place, MACHINE[h][1], size))
        self.nvmlDeviceGetMemoryInfo = c_function(POINTER, POINTER)(
            lambda h, place: memory or put(place, ctypes.c_ulonglong, MACHINE[h][2])
        )
        self.words = ctypes.create_string_buffer(b"Insufficient Permissions")
        self.nvmlErrorString = ctypes.CFUNCTYPE(POINTER, ctypes.c_int)(lambda code: ctypes.addressof(self.words))
        if with_mig:
            self.nvmlDeviceGetMaxMigDeviceCount = c_function(POINTER, POINTER)(self.slices)
            self.nvmlDeviceGetMigDeviceHandleByIndex = c_function(POINTER, UINT, POINTER)(self.slice)

    def end(self) -> int:
        self.ended += 1
        return 0

    def slices(self, handle: int, place: int) -> int:
        parts = MACHINE[handle][3]
        return put(place, UINT, len(parts)) if parts else NOT_SUPPORTED

    def slice(self, handle: int, index: int, place: int) -> int:
        part = MACHINE[handle][3][index]
        return NOT_FOUND if part is None else put(place, POINTER, part)


def test_devices_and_slices() -> None:
    library = Library()
    driver, devices = nvml.read(library)
    assert driver == "550.54.15"
    sliced = "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
    assert devices == (
        Device(uuid="GPU-5a1b", name="NVIDIA A100-SXM4-40GB", memory=40 * GIB, index=0),
        Device(uuid="GPU-77ff", name="NVIDIA A100-SXM4-40GB", memory=40 * GIB, index=1),
        Device(uuid="MIG-0001", name=sliced, memory=20 * GIB, parent="GPU-77ff"),
        Device(uuid="MIG-0002", name=sliced, memory=20 * GIB, parent="GPU-77ff"),
    )
    assert library.ended == 1


def test_a_driver_from_before_mig() -> None:
    _, devices = nvml.read(Library(with_mig=False))
    assert [device.uuid for device in devices] == ["GPU-5a1b", "GPU-77ff"]


def test_a_device_without_memory_of_its_own() -> None:
    _, devices = nvml.read(Library(memory=NOT_SUPPORTED))
    assert {device.memory for device in devices} == {0}


def test_a_call_that_fails_is_named_with_the_librarys_own_words() -> None:
    library = Library(memory=NO_PERMISSION)
    message = "libnvidia-ml.so.1: nvmlDeviceGetMemoryInfo failed with code 4: Insufficient Permissions"
    with pytest.raises(OSError, match=message):
        nvml.read(library)
    assert library.ended == 1


def test_a_library_that_does_not_start_is_not_ended() -> None:
    library = Library(init=NO_PERMISSION)
    with pytest.raises(OSError, match="nvmlInit_v2 failed"):
        nvml.read(library)
    assert library.ended == 0


def test_where_there_is_no_driver_the_library_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "LIBRARY", "libnvidia-ml-of-no-machine.so.1")
    with pytest.raises(FileNotFoundError, match=r"libnvidia-ml-of-no-machine\.so\.1"):
        nvml.inventory()
