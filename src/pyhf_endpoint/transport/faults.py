"""What goes wrong at a site while a chunk is there, in the terms in which the client can act on it."""

import re

from pyhf_endpoint.errors import InputError, TransportError
from pyhf_endpoint.functions import RemoteError, wire

__all__ = ["NodeLostError", "PayloadTooLargeError", "WorkerLostError", "from_traceback"]

# The line of a traceback that names the exception: not indented, an optionally dotted class name, perhaps a message.
_RAISED = re.compile(r"^(?:\w+\.)*([A-Z]\w*)(?:: (.*))?$", re.DOTALL)


class PayloadTooLargeError(InputError):
    """A chunk that is too large to be sent; one of fewer hypotheses may not be.

    Args:
        plain: Bytes of its JSON text.
        packed: Bytes as it would be sent, compressed.
        limit: Bytes that can be sent.
    """

    def __init__(self, plain: int, packed: int, limit: int) -> None:
        super().__init__(
            f"the workspace with one hypothesis is too large for Globus Compute: {plain:,} bytes, {packed:,} as sent"
            f" (compressed), and {limit:,} can be sent; compute where the files are:"
            " --via scheduler on the site's login node, or --site local"
        )


class WorkerLostError(Exception):
    """The worker process died while it computed this chunk; other chunks go on."""


class NodeLostError(Exception):
    """The node or its job ended while the chunk was there: cancelled, out of time, crashed. Hardly the chunk's doing."""


def from_traceback(text: str) -> Exception:
    """Return what the traceback that came instead of a result means.

    Args:
        text: One or more tracebacks, of which the last one counts.
    """
    lines = [line for line in text.strip().splitlines() if line.strip("+- ")]
    for i in reversed(range(len(lines))):
        match = _RAISED.match("\n".join(lines[i:]))
        if match and not lines[i].startswith("Traceback"):
            return _meaning(match[1], match[2] or "")
    return RemoteError(" ".join(lines[-3:])[:500])


def _meaning(name: str, message: str) -> Exception:
    if name == "AppTimeout":  # it struck before our function had begun, or after it had ended
        return wire.time_is_up()
    if name == "WorkerLost":
        return WorkerLostError(message)
    if name == "ManagerLost":
        return NodeLostError(message)
    if name in {"ModuleNotFoundError", "ImportError"} and "pyhf_endpoint" in message:
        return TransportError(
            f"the workers cannot load this package ({message}); install pyhf-endpoint, not older than here, into the environment"
            " or image that the site's workers use"
        )
    return RemoteError(f"{name}: {message}"[:500])
