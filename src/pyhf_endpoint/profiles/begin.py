"""Begins a new profile with the text of another."""

import re
from pathlib import Path

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles.load import find
from pyhf_endpoint.sites import folders, names

__all__ = ["begin"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_HEAD = """\
# {name}: begun with the profile of {source}, whose facts these are until you change them.
# Replace each value by this machine's, with its source under `sources` and `sourced`; write `unknown` for what you do not know.
"""


def begin(name: str, source: str, output: Path | None = None) -> Path:
    """Write the beginnings of a profile and return its path.

    Args:
        name: The new site's name.
        source: The site to begin with; its comments are kept, its verifications are not.
        output: The file, NAME.yaml; None puts it into the user's folder of sites.

    Raises:
        UsageError: The name is no name or is taken, the file exists or is called otherwise, or there is no such source.
        InputError: The source's profile has faults.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` cannot name a site; use small letters, digits and hyphens, a letter first")
    found = find(source)
    path = output or next(folder for origin, folder in folders() if origin == "user") / f"{name}.yaml"
    if path.stem != name or path.suffix != ".yaml":
        raise UsageError(f"{path}: the file of site `{name}` must be called {name}.yaml")
    if path.exists() or (output is None and name in names()):
        raise UsageError(f"there is a site `{name}` already ({path if path.exists() else find(name).path}); choose another name")
    text = found.path.read_text(encoding="utf-8")
    text = re.sub(r"\A(#.*\n)*", _HEAD.format(name=name, source=source), text)
    text = re.sub(r"^name: .*$", f"name: {name}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^verified:.*\n(?:[ -].*\n)*", "", text, flags=re.MULTILINE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
