"""How a function and its argument travel to another machine: a few lines of source text, JSON text, and JSON text back.

Source text and JSON make client and worker independent of each other's Python and pickles. In Globus Compute's terms these are
the strategies `PureSourceTextInspect` for the code and `JSONData` for arguments and result, which is all that an endpoint's
`allowed_serializers` need admit.
"""

import base64
import zlib
from dataclasses import dataclass

import orjson

from pyhf_endpoint import errors
from pyhf_endpoint.errors import MissingExtraError, PyhfEndpointError
from pyhf_endpoint.functions import limit
from pyhf_endpoint.functions.registered import call

__all__ = ["Function", "RemoteError", "TimeLimitError", "answer", "decode", "encode", "result", "time_is_up"]

_PLAIN, _PACKED, _ERROR, _TIME = "json:", "zlib:", "error:", "TimeLimitError"
_PACK_FROM = 50_000  # bytes; below, packing saves less than it costs
_LEVEL = 3  # patch sets shrink sevenfold at 100 MB/s; the highest level gains a tenth at a fifth of the speed


class RemoteError(Exception):
    """What a function raised on a worker, as text: the type's name and the message."""


class TimeLimitError(RemoteError):
    """A task took longer than its endpoint allows, and was ended."""


def time_is_up(seconds: str = "") -> TimeLimitError:
    """Return the error of a task whose time was up.

    Args:
        seconds: The limit, where that is known.
    """
    allowed = f" of {seconds} s" if seconds else ""
    return TimeLimitError(f"the time limit{allowed} for one task has passed; to allow more: --option task_limit_s=SECONDS")


@dataclass(frozen=True)
class Function:
    """The function of one kind of inference: called in a worker that has this package, or sent to one that will.

    Attributes:
        kind: A key of `pyhf_endpoint.functions.SETTINGS`.
    """

    kind: str

    def __call__(self, payload: bytes) -> bytes:
        """Call the function with JSON text, and return JSON text."""
        return call(self.kind, payload)

    @property
    def name(self) -> str:
        """The name that the source text defines."""
        return self.kind.replace("-", "_")

    @property
    def source(self) -> str:
        """Source text of a function that takes an encoded payload and returns an encoded answer, for `result`."""
        return (
            f"def {self.name}(text):\n"
            "    from pyhf_endpoint.functions import wire\n\n"
            f"    return wire.answer({self.kind!r}, text)\n"
        )


def encode(payload: bytes) -> str:
    """Return JSON text as a string that JSON can carry, packed where that pays.

    Args:
        payload: JSON text.
    """
    if len(payload) < _PACK_FROM:
        return _PLAIN + payload.decode()
    return _PACKED + base64.b64encode(zlib.compress(payload, _LEVEL)).decode()


def decode(text: str) -> bytes:
    """Return the JSON text that `encode` was given.

    Raises:
        ValueError: The text does not come from `encode`.
    """
    if text.startswith(_PLAIN):
        return text.removeprefix(_PLAIN).encode()
    if text.startswith(_PACKED):
        return zlib.decompress(base64.b64decode(text.removeprefix(_PACKED)))
    raise ValueError(f"neither plain nor packed JSON: {text[:40]!r}")


def answer(kind: str, text: str) -> str:
    """Call a function on a worker, and return what it returns or raises.

    Args:
        kind: A key of `pyhf_endpoint.functions.SETTINGS`.
        text: The encoded payload.
    """
    try:
        with limit.last_resort():
            return encode(call(kind, decode(text)))
    except Exception as error:  # anything that is not text would need the same Python on both sides
        if limit.strikes(error):
            return _ERROR + orjson.dumps({"type": _TIME, "arguments": [f"{limit.seconds() or 0:g}"]}).decode()
        arguments = [error.extra, error.purpose] if isinstance(error, MissingExtraError) else [str(error)]
        return _ERROR + orjson.dumps({"type": type(error).__name__, "arguments": arguments}).decode()


def result(text: str) -> bytes:
    """Return the JSON text that the function returned, or raise what it raised.

    Args:
        text: What `answer` returned.

    Raises:
        PyhfEndpointError: The function raised this error of the user's.
        TimeLimitError: The function took longer than the endpoint allows.
        RemoteError: The function raised something else.
    """
    if not text.startswith(_ERROR):
        return decode(text)
    raised = orjson.loads(text.removeprefix(_ERROR))
    if raised["type"] == _TIME:
        raise time_is_up(*raised["arguments"])
    known = getattr(errors, raised["type"], None)
    if isinstance(known, type) and issubclass(known, PyhfEndpointError):
        raise known(*raised["arguments"])
    raise RemoteError(f"{raised['type']}: {' '.join(raised['arguments'])}")
