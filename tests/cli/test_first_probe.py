"""What `deploy` does with the workers, as far as it goes without an endpoint; `tests/globus` has the rest."""

import json
from pathlib import Path

import pytest

from pyhf_endpoint import directory
from pyhf_endpoint.cli.first_probe import first_probe
from pyhf_endpoint.deploy import snippet
from pyhf_endpoint.endpoint import SCHEMA
from tests.endpoint.sites import bundle, use

ENDPOINT = "11111111-2222-4333-8444-555555555555"


def test_what_only_users_can_say_is_not_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = use(account=None)
    entry = directory.Entry.model_validate(
        {"endpoint": ENDPOINT, "functions": {}, "options": json.loads(bundle(found).files[SCHEMA])}
    )
    path = tmp_path / "snippet.yaml"
    path.write_text(snippet("test", entry))
    assert first_probe(found, path, tmp_path / "endpoint.log", 300) == 0
    assert capsys.readouterr().out == (
        "not probed, as users must say: account. Say it yourself: pyhf-endpoint probe test --account NAME\n"
    )
