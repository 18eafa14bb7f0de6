"""The table of a profile's fields for site_profiles/README.md, made from the model itself."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pyhf_endpoint.profiles.model import SiteProfile
from pyhf_endpoint.profiles.schema import descriptions, schema_text

__all__ = ["field_table", "update"]

_BEGIN, _END = "<!-- fields -->\n", "<!-- /fields -->"


def field_table() -> str:
    """Return a Markdown table for each part of a profile, the whole first, with every field, its default and its meaning."""
    return "\n".join(_part(model) for model in _models())


def update(text: str) -> str:
    """Return a document with what stands between its two markers made anew."""
    before, rest = text.split(_BEGIN)
    return before + _BEGIN + field_table() + _END + rest.split(_END)[1]


def _part(model: type[BaseModel]) -> str:
    texts = descriptions()[model.__name__]
    rows = [f"| `{name}` | {_default(field)} | {_one_line(texts[name])} |" for name, field in model.model_fields.items()]
    purpose = _one_line(model.__doc__ or "")
    return "\n".join([f"### {model.__name__}", "", purpose, "", "| field | default | meaning |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    text = _plain(field.get_default(call_default_factory=True))
    return f"`{text}`" if text else ""


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{key}: {item}" for key, item in value.model_dump(exclude_unset=True).items())
    if value is None or value in ((), {}):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _models() -> list[type[BaseModel]]:
    """The models that a profile is made of, each where it is first needed."""
    found: dict[type[BaseModel], None] = {SiteProfile: None}
    for model in _below(SiteProfile):
        found.setdefault(model)
    return list(found)


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for part in _parts(field.annotation):
            yield part
            yield from _below(part)


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, however deep in unions and collections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, dict, tuple):
        for argument in get_args(annotation):
            yield from _parts(argument)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "site-profile.schema.json").write_text(schema_text(), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(update(readme.read_text(encoding="utf-8")), encoding="utf-8")
