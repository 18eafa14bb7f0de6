"""Checks a user's choices against what an endpoint accepts, before anything is sent."""

from collections.abc import Mapping
from typing import Any

from pyhf_endpoint.errors import UsageError, did_you_mean, list_faults

__all__ = ["check_options"]


def check_options(options: Mapping[str, Any], schema: Mapping[str, Any], site: str) -> None:
    """Hold options to an endpoint's schema.

    Args:
        options: The options by name.
        schema: A JSON schema; empty where it is not known what the endpoint accepts, which then judges alone.
        site: Name of the site, for the message.

    Raises:
        UsageError: They break the schema; all faults are listed.
    """
    if not schema:
        return
    from jsonschema_rs import ValidationErrorKind, validator_for

    known = dict(schema.get("properties", {}))
    faults = []
    for error in validator_for(dict(schema)).iter_errors(dict(options)):
        path = ".".join(map(str, error.instance_path))
        if isinstance(error.kind, ValidationErrorKind.AdditionalProperties):
            faults += [f"{name}: unknown.{did_you_mean(name, known)}" for name in error.kind.unexpected]
        else:
            faults.append(f"{path}: {error.message}" if path else error.message)
    if faults:
        accepted = ", ".join(sorted(known)) or "none"
        raise UsageError(list_faults(f"the choice of options for `{site}`", faults) + f"\noptions that it accepts: {accepted}")
