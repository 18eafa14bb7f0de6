"""The record of registered functions."""

from pathlib import Path

import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.functions import FUNCTIONS, Function, wire
from pyhf_endpoint.functions.register import Registration, Registry, carried, digest


def registration(kind: str, name: str, text: str | None = None) -> Registration:
    source = Function(kind).source if text is None else text
    return Registration(name, kind, digest(source), "0.1.0", "2026-01-01T00:00:00+00:00", "production")


def test_each_function_is_a_few_lines_that_import_this_package() -> None:
    assert [one.kind for one in carried()] == list(FUNCTIONS)
    for one in carried():
        assert one.source.count("\n") <= 5
        scope: dict[str, object] = {}
        exec(one.source, scope)
        assert callable(scope[one.name])
    assert len({digest(one.source) for one in carried()}) == len(FUNCTIONS)


def test_a_worker_says_that_it_is_ready() -> None:
    scope: dict[str, object] = {}
    exec(Function("ready").source, scope)
    text = scope["ready"](wire.encode(b'{"engine": "batched"}'))  # type: ignore[operator]
    assert wire.result(text).startswith(b'{"version":')


def test_the_newest_id_of_the_present_text_counts(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "sub" / "functions.json")
    registry.add(registration("fit", "old", "def fit(text): ..."))
    registry.add(registration("fit", "one"))
    registry.add(registration("fit", "two"))
    registry.add(registration("scan", "three"))
    again = Registry(tmp_path / "sub" / "functions.json")
    assert again.registrations == registry.registrations
    assert again.latest("production") == {"fit": "two", "scan": "three"}
    assert again.ids("production", Function("fit")) == ("one", "two")
    assert again.latest("local") == {}


@pytest.mark.parametrize("text", ["[", "[1]", '[{"id": "x"}]'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "functions.json").write_text(text)
    with pytest.raises(InputError, match=r"functions.json is no record of functions .*register again"):
        Registry(tmp_path / "functions.json")
