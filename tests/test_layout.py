"""The architecture, held: who imports whom, what heavy libraries load where, and what each package offers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyhf_endpoint

ROOT = Path(pyhf_endpoint.__file__).parent
# part -> the parts it may import, lazily or not; a part is a module or package directly below pyhf_endpoint
ALLOWED = {
    "errors": set(),
    "process": {"errors"},
    "sites": {"errors"},
    "worker": set(),
    "profiles": {"errors", "sites"},
    "inputs": {"errors"},
    "histfactory": {"errors"},
    "functions": {"errors", "histfactory", "inputs", "process", "service"},
    "results": {"errors"},
    "pace": set(),
    "pool": set(),
    "service": {"errors", "pace"},
    "cobalt": {"errors", "process"},
    "directory": {"errors", "profiles", "sites"},
    "doctor": {"errors", "process", "profiles"},
    "endpoint": {"cobalt", "errors", "profiles"},
    "deploy": {"cobalt", "directory", "doctor", "endpoint", "errors", "functions", "process", "profiles", "service"},
    "transport": {"cobalt", "directory", "endpoint", "errors", "functions", "profiles", "service", "worker"},
    "plan": {"errors", "functions", "inputs", "results"},
    "dispatch": {"errors", "functions", "plan", "transport"},
    "verdicts": {"functions"},
    "probing": {"errors", "functions", "profiles", "transport", "verdicts"},
    "waiting": {"errors", "functions", "results", "service"},
    "run": {"dispatch", "errors", "functions", "plan", "results", "transport", "waiting"},
    "options": {"errors"},
    "client": {"functions", "inputs", "options", "plan", "probing", "profiles", "results", "run", "sites", "transport"},
    "tables": {"errors", "results"},
    "hepdata": {"errors", "results"},
    "check": {"client", "errors", "inputs", "results"},
    "plot": {"errors", "results"},
    "example": {"errors"},
    "cli": {
        "check",
        "client",
        "deploy",
        "directory",
        "doctor",
        "endpoint",
        "errors",
        "example",
        "functions",
        "hepdata",
        "inputs",
        "plot",
        "probing",
        "profiles",
        "results",
        "service",
        "tables",
        "transport",
        "verdicts",
        "waiting",
    },
    "__init__": set(),
    "__main__": {"cli"},
}
# library -> the only places that may import it
CONFINED = {
    "pyhf": {"functions/reference.py", "inputs/fetch.py"},
    "jsonpatch": {"functions/reference.py"},
    "matplotlib": {"plot/"},
    "loky": {"transport/local.py"},
    "globus_compute_sdk": {"service.py", "transport/"},
    "globus_sdk": {"service.py"},
    "globus_compute_common": {"transport/engine.py"},
    "globus_compute_endpoint": {"cobalt/", "endpoint/", "transport/"},
    "globus_identity_mapping": {"endpoint/identities.py"},
    "parsl": {"cobalt/", "endpoint/", "pool.py", "transport/"},
    "subprocess": {"process.py", "transport/guard.py"},  # the guard is a program of its own, without this package
    "jinja2": set(),
    "kubernetes": set(),
    "jax": {"functions/compute.py"},
    "cupy": {"functions/compute.py"},
}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, function bodies included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            if node.module == "pyhf_endpoint":
                yield from (f"pyhf_endpoint.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_in_the_allowed_direction(path: Path) -> None:
    own = part(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("pyhf_endpoint.")} - {own, "__version__"}
    assert used <= ALLOWED[own], f"{own} must not import {sorted(used - ALLOWED[own])}"


@pytest.mark.parametrize("library", CONFINED)
def test_a_confined_library_is_imported_only_where_it_may_be(library: str) -> None:
    for path in modules():
        if library in {name.split(".")[0] for name in imports(path)}:
            place = str(path.relative_to(ROOT))
            assert any(place.startswith(allowed) for allowed in CONFINED[library]), f"{place} imports {library}"


def test_the_table_names_every_part_there_is() -> None:
    assert {part(path) for path in modules()} == set(ALLOWED)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert text.count("\n") <= 320, f"{path} is too long; split it"
