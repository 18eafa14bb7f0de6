"""NVIDIA's devices, from the library that comes with every driver, by ctypes: nothing need be installed for it."""

import ctypes
from collections.abc import Iterator
from typing import Any

from pyhf_endpoint.functions.report import Device

__all__ = ["LIBRARY", "inventory", "read"]

LIBRARY = "libnvidia-ml.so.1"
# nvml.h asks for at most 96 bytes for a name, a UUID or a version.
_TEXT_BYTES = 96
_NOT_SUPPORTED, _NOT_FOUND = 3, 6


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def inventory() -> tuple[str, tuple[Device, ...]]:
    """Return the driver's version and all devices that the system shows to this process, whatever `CUDA_VISIBLE_DEVICES` says.

    A device in MIG mode is followed by its slices.

    Raises:
        FileNotFoundError: There is no NVIDIA driver here.
        OSError: The driver's library does not answer; says which call and why.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise FileNotFoundError(str(error)) from error
    return read(library)


def read(library: Any) -> tuple[str, tuple[Device, ...]]:
    """Return what a loaded NVML tells; see `inventory`.

    Args:
        library: Has NVML's functions as attributes.
    """
    _call(library, "nvmlInit_v2")
    try:
        driver = _text(library, "nvmlSystemGetDriverVersion")
        return driver, tuple(_devices(library))
    finally:
        library.nvmlShutdown()


def _devices(library: Any) -> Iterator[Device]:
    count = ctypes.c_uint()
    _call(library, "nvmlDeviceGetCount_v2", ctypes.byref(count))
    for index in range(count.value):
        handle = ctypes.c_void_p()
        _call(library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        whole = _device(library, handle, index=index)
        yield whole
        for part in _slices(library, handle):
            yield _device(library, part, parent=whole.uuid)


def _slices(library: Any, handle: ctypes.c_void_p) -> Iterator[ctypes.c_void_p]:
    count, none = ctypes.c_uint(), (_NOT_SUPPORTED, _NOT_FOUND)
    # Drivers from before MIG lack the function.
    if not hasattr(library, "nvmlDeviceGetMaxMigDeviceCount"):
        return
    _call(library, "nvmlDeviceGetMaxMigDeviceCount", handle, ctypes.byref(count), allowed=none)
    for index in range(count.value):
        part = ctypes.c_void_p()
        code = _call(
            library, "nvmlDeviceGetMigDeviceHandleByIndex", handle, ctypes.c_uint(index), ctypes.byref(part), allowed=none
        )
        if code == 0:
            yield part


def _device(library: Any, handle: ctypes.c_void_p, *, index: int | None = None, parent: str = "") -> Device:
    memory = _Memory()
    # Devices that share the host's memory have none of their own to tell of.
    _call(library, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory), allowed=(_NOT_SUPPORTED,))
    uuid, name = (_text(library, f"nvmlDeviceGet{what}", handle) for what in ("UUID", "Name"))
    return Device(uuid=uuid, name=name, memory=int(memory.total), index=index, parent=parent)


def _text(library: Any, function: str, *arguments: Any) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_BYTES)
    _call(library, function, *arguments, buffer, ctypes.c_uint(_TEXT_BYTES))
    return buffer.value.decode(errors="replace")


def _call(library: Any, function: str, *arguments: Any, allowed: tuple[int, ...] = ()) -> int:
    code = int(getattr(library, function)(*arguments))
    if code and code not in allowed:
        library.nvmlErrorString.restype = ctypes.c_char_p
        reason = library.nvmlErrorString(ctypes.c_int(code)) or b"unknown"
        raise OSError(f"{LIBRARY}: {function} failed with code {code}: {reason.decode(errors='replace')}")
    return code
