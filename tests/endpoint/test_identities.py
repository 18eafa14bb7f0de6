"""An identity mapping is checked before a daemon reads it: one error, with every fault's place, value and remedy."""

import getpass
import json
from pathlib import Path

import pytest

from pyhf_endpoint.endpoint import check_identities
from pyhf_endpoint.errors import InputError

pytest.importorskip("globus_compute_endpoint", reason="the extra `endpoint` is not installed")
EXPRESSION, EXTERNAL = "expression_identity_mapping#1.0.0", "external_identity_mapping#1.0.0"
ONE = {"source": "{username}", "match": r"(.*)@example\.org", "output": "{0}"}


def document(**changes: object) -> str:
    """A mapping of one expression, with changes; None removes a key."""
    one = {key: value for key, value in (ONE | changes).items() if value is not None}
    return json.dumps([{"DATA_TYPE": EXPRESSION, "mappings": [one]}])


@pytest.mark.parametrize(
    "text",
    [
        document(),
        document(ignore_case=True, comment="whoever is here"),
        document(source="{id}", match="b34bb069-3b68-4d38-b4e6-bc1e4fc95332", literal=True, output="{username}"),
        json.dumps([{"DATA_TYPE": EXTERNAL, "command": ["/bin/sh", "-c", 1]}, *json.loads(document())]),
    ],
)
def test_what_the_daemon_takes_passes(text: str) -> None:
    check_identities(text, "map.json")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[\n{]", "line 2, column 2: not JSON: Expecting property name enclosed in double quotes"),
        ("[]", "the whole: `[]`, where a list of at least one document must be"),
        (json.dumps(json.loads(document())[0]), 'the whole: `{"DATA_TYPE": '),
        ("[7]", "[0]: `7`, where an object must be"),
        ('[{"mappings": []}]', "[0].DATA_TYPE: `null` is neither"),
        (
            document().replace("expression_", "expresion_"),
            f'`"expresion_identity_mapping#1.0.0"` is neither `{EXPRESSION}` nor `{EXTERNAL}`. Did you mean `{EXPRESSION}`?',
        ),
        (document().replace("mappings", "mapping"), "[0].mapping: unknown key, which would be ignored. Did you mean `mappings`?"),
        (document(output=None), "[0].mappings[0].output: `null`, where a text must be"),
        (document(match=7), "[0].mappings[0].match: `7`, where a text must be"),
        (
            document(ignorecase=True),
            "[0].mappings[0].ignorecase: unknown key, which would be ignored. Did you mean `ignore_case`?",
        ),
        (document(literal="yes"), '[0].mappings[0].literal: `"yes"`, where true or false must be'),
        (document(match=r"(\w+)@x"), r"[0].mappings[0].match: (\w+)@x - Invalid \ expression: \w"),
        (document(match="(.*@x"), "[0].mappings[0].match: Invalid mapping"),
        (document(output="{1}"), "[0].mappings[0].output: `{1}` names group 1, but `match` has 1 of them, counted from 0"),
        (document(output="no-such-user"), "`no-such-user` is no user of this machine; make the user, or name another"),
        (document(output="root"), "`root` is the superuser, as whom the daemon starts nobody's processes; name an ordinary user"),
        (json.dumps([{"DATA_TYPE": EXTERNAL, "command": "map"}]), '[0].command: `"map"`, where a list'),
        (json.dumps([{"DATA_TYPE": EXTERNAL, "command": ["map"]}]), "[0].command[0]: `map` is no absolute path"),
    ],
)
def test_a_fault_is_told_with_its_place_and_value(text: str, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        check_identities(text, "/etc/map.json")
    assert str(caught.value).startswith("/etc/map.json has ")
    assert fault in str(caught.value)
    assert "\nmend it, and deploy again; the format: https://docs.globus.org/" in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    broken = json.loads(document(output="no-such-user"))[0]
    broken["mappings"] += [{"source": "{id}"}]
    with pytest.raises(InputError) as caught:
        check_identities(json.dumps([broken, 7]), "map.json")
    assert str(caught.value).startswith("map.json has 4 faults\n")


def test_the_example_in_the_remedy_is_right() -> None:
    with pytest.raises(InputError) as caught:
        check_identities("", "map.json")
    check_identities(str(caught.value).partition("an example: ")[2], "the example")


def test_a_program_that_others_may_change_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "map"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o775)
    text = json.dumps([{"DATA_TYPE": EXTERNAL, "command": [str(program)]}])
    with pytest.raises(InputError, match="can be changed by others than root, as whom it runs; chown root"):
        check_identities(text, "map.json")
    if getpass.getuser() == "root":
        program.chmod(0o755)
        check_identities(text, "map.json")
