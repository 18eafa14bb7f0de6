"""From a site's profile to its endpoint: `render` is pure, `files` writes, `user_config` is Globus Compute's part."""

from pyhf_endpoint.endpoint.container import Guide, guide
from pyhf_endpoint.endpoint.files import diff, write
from pyhf_endpoint.endpoint.identities import check_identities
from pyhf_endpoint.endpoint.options import DEFAULT_ENVIRONMENT, Environment, Options, parse_settings
from pyhf_endpoint.endpoint.parsl_config import parsl_config
from pyhf_endpoint.endpoint.render import CONFIG, ENVIRONMENT, SCHEMA, TEMPLATE, Bundle, launcher_folder, render
from pyhf_endpoint.endpoint.user_config import load_user_config, render_user_config

__all__ = [
    "CONFIG",
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT",
    "SCHEMA",
    "TEMPLATE",
    "Bundle",
    "Environment",
    "Guide",
    "Options",
    "check_identities",
    "diff",
    "guide",
    "launcher_folder",
    "load_user_config",
    "parse_settings",
    "parsl_config",
    "render",
    "render_user_config",
    "write",
]
