"""The JSON Schema of a site profile, for editors that check while the author types."""

import ast
import inspect
import json
from types import ModuleType
from typing import Any

from pyhf_endpoint.profiles import hardware, model, schedulers
from pyhf_endpoint.profiles.model import SiteProfile

__all__ = ["descriptions", "schema_text"]


def schema_text() -> str:
    """Return the schema as JSON text, with the fields' docstrings as descriptions."""
    schema = SiteProfile.model_json_schema()
    texts = descriptions()
    for name, part in [("SiteProfile", schema), *schema["$defs"].items()]:
        for field, shape in part.get("properties", {}).items():
            shape["description"] = texts[name][field]
    head: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | schema | {"title": "Site profile of pyhf-endpoint"}, indent=2) + "\n"


def descriptions() -> dict[str, dict[str, str]]:
    """Return the docstring of every field of every model: class to field to text, those of base classes included."""
    found: dict[str, dict[str, str]] = {}
    for module in (hardware, schedulers, model):
        found |= _in_module(module, found)
    return found


def _in_module(module: ModuleType, known: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            found[node.name] = {k: v for base in bases for k, v in (known | found).get(base, {}).items()}
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                    found[node.name][field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return found
