"""From a bundle to an engine's configuration, by Globus Compute's own rendering and rules: what users of an endpoint get."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyhf_endpoint.endpoint.render import SCHEMA, TEMPLATE, Bundle
from pyhf_endpoint.errors import MissingExtraError, UsageError

__all__ = ["load_user_config", "render_user_config"]


def render_user_config(bundle: Bundle, options: Mapping[str, str | int] | None = None) -> str:
    """Return the YAML text of a user's endpoint configuration.

    Args:
        bundle: The endpoint's files.
        options: The user's options, as `user_config_schema.json` has them.

    Raises:
        UsageError: The options do not fit the schema.
        MissingExtraError: Globus Compute's endpoint is not installed.
    """
    _require()
    import os
    import pwd
    import uuid

    import jsonschema
    from globus_compute_endpoint.endpoint.config import CoreEndpointConfig
    from globus_compute_endpoint.endpoint.config.utils import render_config_user_template
    from globus_compute_endpoint.endpoint.identity_mapper import MappedPosixIdentity

    who = MappedPosixIdentity(
        local_user_record=pwd.getpwuid(os.getuid()), matched_identity=uuid.UUID(int=0), globus_identity_candidates=[]
    )
    try:
        text: str = render_config_user_template(
            parent_config=CoreEndpointConfig(),
            user_config_template=bundle.files[TEMPLATE],
            # Only its folder counts, as the place of files that a template includes; ours include none.
            user_config_template_path=Path(__file__),
            mapped_identity=who,
            user_config_schema=json.loads(bundle.files[SCHEMA]),
            user_opts=dict(options or {}),
        )
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        raise UsageError(f"options for site `{bundle.site}`: {place + ': ' if place else ''}{error.message}") from error
    return text


def load_user_config(text: str) -> Any:
    """Return the `UserEndpointConfig` of a configuration's text, with its engine built but not started.

    Raises:
        UsageError: Globus Compute does not take it.
        MissingExtraError: Globus Compute's endpoint is not installed.
    """
    _require()
    from click import ClickException
    from globus_compute_endpoint.endpoint.config.utils import load_config_yaml

    from pyhf_endpoint.cobalt.register import register_cobalt_provider

    register_cobalt_provider()
    try:
        return load_config_yaml(text)
    except ClickException as error:
        raise UsageError(f"Globus Compute does not take the configuration: {error.message}") from error


def _require() -> None:
    if find_spec("globus_compute_endpoint") is None:
        raise MissingExtraError("endpoint", "rendering a user's configuration")
