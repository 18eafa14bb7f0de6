"""Which devices `CUDA_VISIBLE_DEVICES` leaves visible, by CUDA's own rules."""

from collections.abc import Sequence

from pyhf_endpoint.functions.report import Device

__all__ = ["choose", "names"]


def names(value: str) -> tuple[str, ...]:
    """Return the devices that a visibility variable names: `0,1` is two; -1 ends the list, as CUDA has it."""
    found: list[str] = []
    for name in filter(None, (part.strip() for part in value.split(","))):
        if name == "-1":
            break
        found.append(name)
    return tuple(found)


def choose(present: Sequence[Device], value: str | None) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return the visible devices in their order, and the names of those that are not there.

    The rules are those of the CUDA C++ Programming Guide, "CUDA Environment Variables": a number counts whole devices; a UUID may
    be cut short where it stays unique; what stands behind a name that does not exist is invisible, too. Of a device in MIG mode,
    a number gives the first slice. Numbers are taken as NVML's, which are CUDA's where a node's devices are all alike.

    Args:
        present: All devices, whole ones with their number, each followed by its slices.
        value: The variable; None where it is not set, which leaves all visible.
    """
    wholes = [device for device in present if not device.parent]
    if value is None:
        return tuple(_first_slice(device, present) for device in wholes), ()
    visible: list[Device] = []
    for position, name in enumerate(names(value)):
        device = _find(name, wholes, present)
        if device is None:
            hidden = [later for later in names(value)[position:] if _find(later, wholes, present) is None]
            return tuple(visible), tuple(hidden)
        visible.append(device)
    return tuple(visible), ()


def _find(name: str, wholes: Sequence[Device], present: Sequence[Device]) -> Device | None:
    if name.isdecimal():
        return next((_first_slice(device, present) for device in wholes if device.index == int(name)), None)
    found = [device for device in present if device.uuid.lower().startswith(name.lower())]
    return _first_slice(found[0], present) if len(found) == 1 else None


def _first_slice(device: Device, present: Sequence[Device]) -> Device:
    return next((part for part in present if part.parent == device.uuid), device)
