"""Options against an endpoint's schema."""

import pytest

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.transport.options import check_options

SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": ["debug", "prod"]}, "nodes": {"type": "integer", "maximum": 4}},
    "additionalProperties": False,
}


def test_what_the_schema_allows_passes() -> None:
    check_options({"queue": "debug", "nodes": 4}, SCHEMA, "polaris")
    check_options({"anything": object()}, {}, "polaris")


def test_all_faults_are_listed() -> None:
    with pytest.raises(UsageError) as error:
        check_options({"queue": "prdo", "nodes": 5, "qeue": 1}, SCHEMA, "polaris")
    text = str(error.value)
    assert text.startswith("the choice of options for `polaris` has 3 faults\n")
    assert "  nodes: 5 is greater than the maximum of 4\n" in text
    assert '  queue: "prdo" is not one of' in text
    assert "  qeue: unknown. Did you mean `queue`?\n" in text
    assert text.endswith("options that it accepts: nodes, queue")
