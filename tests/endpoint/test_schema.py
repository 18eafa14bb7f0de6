"""What users may say: nothing that could become shell, a directive or another key, and nothing beyond the site's limits."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from pyhf_endpoint.endpoint import SCHEMA, Bundle, render_user_config
from pyhf_endpoint.errors import UsageError
from tests.endpoint.golden import SITES, bundle_of, use_of
from tests.endpoint.sites import bundle, engine, use

HOSTILE = [
    "ok\n",
    "ok\n#SBATCH --wrap=id",
    "\nok",
    "$(id)",
    "ok$(id)",
    "`id`",
    "#SBATCH --uid=0",
    "{{ _GC }}",
    "{% set a = 1 %}",
    "'",
    '"',
    'ok" evil: "1',
    "ok; id",
    "ok & id",
    "ok|id",
    "ok>f",
    "ok id",
    "-ok",
    "../ok",
    "",
    "ok\x00",
    "ok\u2028",
    "o" * 10_000,
    "ök",
]
#: What is never a user's to say; the last are names of the template's own.
ADMINISTRATORS = (
    *("worker_init", "scheduler_options", "select_options", "launcher", "overrides", "environment", "endpoint_setup"),
    *("container_uri", "container_cmd_options", "image", "working_dir", "allowed_serializers", "site", "minutes", "_GC", "paths"),
)
USES = [(site, variant) for site in SITES for variant in use_of(site).profile.variants]


def schema_of(bundle: Bundle) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(bundle.files[SCHEMA])
    return schema


def validator_of(bundle: Bundle) -> Any:
    """What Globus Compute makes anew for every validation."""
    schema = schema_of(bundle)
    return jsonschema.validators.validator_for(schema)(schema)


def strings(schema: Any) -> Iterator[dict[str, Any]]:
    """Every place that could take text, however deep."""
    if isinstance(schema, dict):
        if schema.get("type") == "string" or ("type" not in schema and {"pattern", "maxLength", "minLength"} & set(schema)):
            yield schema
        for part in schema.values():
            yield from strings(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from strings(part)


@pytest.mark.parametrize(("site", "variant"), USES)
def test_every_property_is_a_number_in_limits_a_choice_or_a_narrow_text(site: str, variant: str) -> None:
    schema = schema_of(bundle_of(use_of(site, variant)))
    assert schema["additionalProperties"] is False
    for name, shape in schema["properties"].items():
        choice = all(isinstance(item, str) for item in shape.get("enum", [None]))
        number = shape.get("type") == "integer" and {"minimum", "maximum"} <= set(shape)
        text = shape.get("type") == "string" and {"pattern", "maxLength"} <= set(shape)
        assert [choice, number, text].count(True) == 1, f"{site}: {name} is {shape}"
    for shape in strings(schema):
        assert re.fullmatch(r"\^.*\(\?!\\n\)\$", shape["pattern"]), f"{site}: {shape} is not anchored"
        assert shape["maxLength"] <= 64


@pytest.mark.parametrize("site", SITES)
def test_hostile_texts_are_refused_in_every_field(site: str) -> None:
    validator = validator_of(bundle_of(use_of(site)))
    for name in [*validator.schema["properties"], *ADMINISTRATORS]:
        for text in HOSTILE:
            assert not validator.is_valid({name: text}), f"{name}: {text!r}"


def test_what_the_schema_refuses_is_not_rendered() -> None:
    found = bundle(use())
    for name in ("account", "queue", *ADMINISTRATORS):
        for text in HOSTILE:
            with pytest.raises((UsageError, ValueError)):
                render_user_config(found, {name: text})


@pytest.mark.parametrize("value", [True, 1.5, -1, 0, 10**9, None, [1], {"a": 1}, "1"])
def test_a_number_is_a_whole_number_within_limits(value: Any) -> None:
    for name in ("walltime_minutes", "nodes_per_block", "max_blocks", "task_limit_s"):
        with pytest.raises(UsageError, match=name):
            render_user_config(bundle(use()), {name: value})


def test_whole_numbers_may_come_as_json_writes_them() -> None:
    assert engine(use(), user={"nodes_per_block": 2.0})["provider"]["nodes_per_block"] == 2


@pytest.mark.parametrize("site", SITES)
def test_the_limits_of_every_queue_hold(site: str) -> None:
    validator = validator_of(bundle_of(use_of(site)))
    for rule in validator.schema.get("allOf", []):
        queue, limits = rule["if"]["properties"]["queue"]["const"], rule["then"]["properties"]
        least = {"queue": queue, **{name: limit["minimum"] for name, limit in limits.items()}}
        most = {"queue": queue, **{name: limit["maximum"] for name, limit in limits.items()}}
        account = {"account": "project"}
        assert validator.is_valid(account | least)
        assert validator.is_valid(account | most)
        for name in limits:
            assert not validator.is_valid(account | {**least, name: least[name] - 1})
            assert not validator.is_valid(account | {**most, name: most[name] + 1})


def test_the_default_queues_limits_hold_where_no_queue_is_named() -> None:
    with pytest.raises(UsageError, match="nodes_per_block: 5 is greater than the maximum of 4"):
        render_user_config(bundle(use()), {"nodes_per_block": 5})
    with pytest.raises(UsageError, match="walltime_minutes: 121 is greater"):
        render_user_config(bundle(use()), {"walltime_minutes": 121})


def test_a_queue_whose_limits_the_defaults_break_asks_for_what_is_missing() -> None:
    with pytest.raises(UsageError, match="'nodes_per_block' is a required property"):
        render_user_config(bundle(use()), {"queue": "long"})
    with pytest.raises(UsageError, match="'walltime_minutes' is a required property"):
        render_user_config(bundle(use()), {"queue": "express"})
    assert engine(use(), user={"queue": "long", "nodes_per_block": 2})["provider"]["partition"] == "long"


def test_only_queues_with_the_same_nodes_in_the_same_way_are_offered() -> None:
    assert schema_of(bundle(use()))["properties"]["queue"]["enum"] == ["gpu", "long", "express"]
    single = use({"launcher": {"kind": "simple"}})
    assert schema_of(bundle(single))["properties"]["queue"]["enum"] == ["gpu", "express"]
    assert schema_of(bundle(single))["properties"]["nodes_per_block"]["maximum"] == 1


def test_users_must_name_an_account_where_the_site_needs_one_and_the_administrator_named_none() -> None:
    with pytest.raises(UsageError, match="'account' is a required property"):
        render_user_config(bundle(use(account=None)), {})
    assert engine(use(account=None), user={"account": "mine"})["provider"]["account"] == "mine"
    free = use({"scheduler.account": {"required": False}}, account=None)
    assert "account" not in engine(free)["provider"]


def test_a_tasks_time_limit_is_the_sites_or_the_users_and_no_longer_than_a_job() -> None:
    def limit(found: Any) -> str:
        return str(found["provider"]["worker_init"].splitlines()[-1])

    assert limit(engine(use())) == "export GC_TASK_TIMEOUT=3600"
    assert limit(engine(use(task_limit_s=600))) == "export GC_TASK_TIMEOUT=600"
    assert limit(engine(use(), user={"task_limit_s": 90})) == "export GC_TASK_TIMEOUT=90"
    with pytest.raises(UsageError, match="task_limit_s: 36001 is greater than the maximum of 36000"):
        render_user_config(bundle(use()), {"task_limit_s": 36001})
    short = use({"scheduler.queues": {"gpu": {"node": "gpu", "max_nodes": 4, "max_walltime": "00:40:00"}}})
    assert schema_of(bundle(short))["properties"]["task_limit_s"]["default"] == 2400
    assert limit(engine(short)) == "export GC_TASK_TIMEOUT=2400"


def test_users_options_arrive_in_their_places_and_nowhere_else() -> None:
    options = {"account": "a.b-c_d", "queue": "long", "walltime_minutes": 599, "nodes_per_block": 3, "max_blocks": 7}
    usual, changed = engine(use()), engine(use(), user=options)
    provider = {"account": "a.b-c_d", "partition": "long", "walltime": "09:59:00", "nodes_per_block": 3, "max_blocks": 7}
    assert changed == usual | {"provider": usual["provider"] | provider}
