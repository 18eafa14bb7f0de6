"""How a bundle is to be made: the workers' environment, and the settings that an administrator gives as text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import ValidationError

from pyhf_endpoint.errors import UsageError, did_you_mean, list_faults
from pyhf_endpoint.profiles import OPTIONS
from pyhf_endpoint.profiles.model import RunSettings

__all__ = ["ACCOUNT", "DEFAULT_ENVIRONMENT", "Environment", "Options", "parse_settings"]

#: What an account may look like. `$` alone would let a line feed through at the end.
ACCOUNT = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?!\n)$"
DEFAULT_ENVIRONMENT = "venv:~/pyhf-endpoint-venv"
_SHAPES = {
    "venv": (re.compile(r"(?:~/|/)[A-Za-z0-9_.@+=/-]{1,200}"), "an absolute path or one that begins with ~/"),
    "image": (re.compile(r"[A-Za-z0-9/][A-Za-z0-9_.:@+/-]{0,254}"), "an absolute path or an image's address"),
}
_FOLDER = re.compile(r"/[A-Za-z0-9_.@+=/-]{0,200}")
_TEXTS = {"queue", "node", "walltime", "image", "account", "interface"}
_PATTERNS = {"account": re.compile(ACCOUNT), "interface": re.compile(r"[a-z][a-z0-9]{0,14}(\.[0-9]{1,4})?")}


@dataclass(frozen=True)
class Environment:
    """Where workers find this package: a virtual environment, or a container image."""

    kind: Literal["venv", "image"]
    place: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the environment that `venv:PATH` or `image:PATH-OR-ADDRESS` names.

        Raises:
            UsageError: The text has another shape; what the shell or YAML could take for more than a name is refused.
        """
        kind, _, place = text.partition(":")
        if kind not in _SHAPES:
            raise UsageError(f"environment `{text}`: say venv:PATH or image:PATH-OR-ADDRESS")
        shape, words = _SHAPES[kind]
        if not shape.fullmatch(place):
            raise UsageError(f"environment `{text}`: `{place}` must be {words}, of letters, digits and the signs of a plain path")
        return cls("venv" if kind == "venv" else "image", place)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return f"{self.kind}:{self.place}"

    @property
    def folder(self) -> str | None:
        """The virtual environment's absolute path, where that is known."""
        return self.place if self.kind == "venv" and self.place.startswith("/") else None


@dataclass(frozen=True)
class Options:
    """What a bundle depends on besides the site's use.

    Attributes:
        environment: The workers' environment.
        path: Folders of the batch system's commands, for the PATH of `user_environment.yaml`; empty leaves the PATH alone.
        allowed_functions: Ids of the only functions that the endpoint runs; empty allows every function.
        folder: The endpoint's folder, below which all that serving users leaves behind goes; empty leaves that to Globus Compute.

    Raises:
        UsageError: A folder is no plain absolute path, or an id is none.
    """

    environment: Environment = field(default_factory=lambda: Environment.parse(DEFAULT_ENVIRONMENT))
    path: tuple[str, ...] = ()
    allowed_functions: tuple[str, ...] = ()
    folder: str = ""

    def __post_init__(self) -> None:
        for folder in (*self.path, *([self.folder] if self.folder else [])):
            if not _FOLDER.fullmatch(folder):
                raise UsageError(
                    f"folder `{folder}`: it must be an absolute path of letters, digits and the signs of a plain path"
                )
        for identifier in self.allowed_functions:
            if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identifier):
                raise UsageError(f"function `{identifier}`: an id has 32 hexadecimal digits in five groups")


def parse_settings(pairs: Sequence[str]) -> dict[str, object]:
    """Return the settings in `NAME=VALUE` texts, typed as the profile's model types them.

    Args:
        pairs: The texts; `directives` may be given several times, any other name once.

    Raises:
        UsageError: A name is unknown or a value does not fit; all faults are listed.
    """
    found: dict[str, object] = {}
    faults: list[str] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in OPTIONS:
            faults.append(f"{pair}: {_unknown(name) if equals else 'say NAME=VALUE'}")
        elif name == "directives":
            found[name] = (*_texts(found.get(name)), value)
        elif name in found:
            faults.append(f"{name}: given twice")
        else:
            found[name] = value if name in _TEXTS else _plain(value)
    faults += [f"{name}: {fault}" for name, value in found.items() if (fault := _fault(name, value))]
    if faults:
        raise UsageError(list_faults("the command line", faults))
    return found


def _unknown(name: str) -> str:
    return f"unknown option `{name}`.{did_you_mean(name, OPTIONS)} Options: {', '.join(OPTIONS)}"


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _plain(text: str) -> object:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


def _fault(name: str, value: object) -> str | None:
    """Why a value does not fit, or None."""
    if name in _PATTERNS:
        fits = isinstance(value, str) and _PATTERNS[name].fullmatch(value)
        return None if fits else f"`{value}` does not match {_PATTERNS[name].pattern}"
    try:
        RunSettings.model_validate({name: value})
    except ValidationError as error:
        return "; ".join(f"{fault['msg']}, found {fault['input']!r}" for fault in error.errors(include_url=False))
    return None


def check_texts(settings: dict[str, object]) -> list[str]:
    """Return what is wrong with the settings that are neither typed by the model nor a fact of the profile."""
    return [f"{name}: {fault}" for name in _PATTERNS if (value := settings.get(name)) and (fault := _fault(name, value))]
