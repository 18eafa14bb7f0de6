"""What a user chooses of a site, and the configuration that comes of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyhf_endpoint.errors import UsageError

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import Resolved, SiteProfile

__all__ = ["Choice", "endpoint_options", "scheduler_configuration", "workers_of"]


@dataclass(frozen=True)
class Choice:
    """What a user chooses of a site.

    Attributes:
        variant: One of the profile's variants; None takes the first.
        settings: Values by the names in `profiles.OPTIONS`: account, queue, walltime, nodes_per_block and so on.
        env: Where workers find this package, `venv:PATH` or `image:IMAGE`; None takes the environment that this process runs in.
        retired_ok: Whether a retired site is used all the same.
    """

    variant: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: str | None = None
    retired_ok: bool = False

    def __bool__(self) -> bool:
        """Whether anything is chosen."""
        return self != Choice()

    def use(self, profile: "SiteProfile") -> "Resolved":
        """Return the site as it is to be used.

        Raises:
            UsageError: The site is retired, or has no such variant or setting.
        """
        from pyhf_endpoint.profiles import resolve

        if profile.status == "retired" and not self.retired_ok:
            raise UsageError(f"site `{profile.name}` is retired and stays as a record; to use it all the same, give --retired-ok")
        return resolve(profile, self.variant, self.settings)


def endpoint_options(choice: Choice) -> dict[str, Any]:
    """Return what a choice is in the terms of a deployed endpoint's options.

    Args:
        choice: What the user chooses.

    Raises:
        UsageError: It is something that the endpoint's administrator has settled.
    """
    if choice.variant is not None or choice.env is not None:
        raise UsageError("--variant and --env are settled where the endpoint was set up; leave them out, or go --via scheduler")
    options = dict(choice.settings)
    if "walltime" in options:
        from pyhf_endpoint.profiles.types import to_minutes

        options["walltime_minutes"] = to_minutes(options.pop("walltime"))
    return options


def workers_of(profile: "SiteProfile", choice: Choice) -> int | None:
    """Return how many workers run at a site at the same time, as its profile has it; None where it does not say."""
    from pyhf_endpoint.profiles import resolve

    if profile.scheduler.kind == "local":
        return None
    use = resolve(profile, None, choice.settings)
    per_node = use["workers_per_node"]
    return per_node * use["nodes_per_block"] * use["max_blocks"] if per_node else None


def scheduler_configuration(profile: "SiteProfile", choice: Choice) -> tuple[str, Mapping[str, str]]:
    """Return what a site's blocks are started with: the rendered user endpoint configuration, and the environment.

    It is what a deployed endpoint of the same site would use.

    Args:
        profile: The site.
        choice: What the user chooses.

    Raises:
        UsageError: The choice breaks a rule, or the site needs to be told something.
        MissingExtraError: Globus Compute's endpoint is not installed.
    """
    import yaml

    from pyhf_endpoint import endpoint

    use = choice.use(profile)
    account = getattr(profile.scheduler, "account", None)
    if account is not None and account.required and not use["account"]:
        raise UsageError(f"site `{profile.name}` charges every job to an account; give --account NAME")
    workers = endpoint.Environment.parse(choice.env or f"venv:{sys.prefix}")
    bundle = endpoint.render(use, endpoint.Options(workers))
    environment = yaml.safe_load(bundle.files[endpoint.ENVIRONMENT]) or {}
    return endpoint.render_user_config(bundle), environment
