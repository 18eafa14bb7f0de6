"""A site's use in, the endpoint's files out: pure, and for one input always the same text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pyhf_endpoint.endpoint.facts import Json, site_facts
from pyhf_endpoint.endpoint.options import Options, check_texts
from pyhf_endpoint.endpoint.schema import user_schema
from pyhf_endpoint.endpoint.worker_init import proxy_variables
from pyhf_endpoint.errors import UsageError, list_faults
from pyhf_endpoint.profiles import Resolved, check_use

__all__ = ["CONFIG", "ENVIRONMENT", "SCHEMA", "TEMPLATE", "Bundle", "launcher_folder", "render"]

CONFIG = "config.yaml"
TEMPLATE = "user_config_template.yaml.j2"
SCHEMA = "user_config_schema.json"
ENVIRONMENT = "user_environment.yaml"
_TEMPLATES = Path(__file__).parents[1] / "endpoint_configs"
_WIDTH = 110
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True)
class Bundle:
    """What Globus Compute needs to serve a site.

    Attributes:
        site: The site's name.
        files: Text by file name.
    """

    site: str
    files: Mapping[str, str]


def render(use: Resolved, options: Options | None = None) -> Bundle:
    """Return the files of an endpoint.

    Args:
        use: The site, and how it is used.
        options: What else the files depend on.

    Raises:
        UsageError: The settings break a rule, all faults listed; or something that is needed is unknown.
    """
    chosen = options or Options()
    faults = check_texts({name: setting.value for name, setting in use.settings.items()})
    faults += [f"{fault.path}: {fault.message}" for fault in check_use(use)]
    faults += _memory_faults(use)
    if faults:
        raise UsageError(list_faults(f"site `{use.profile.name}`, variant `{use.variant}`", faults))
    return Bundle(
        use.profile.name,
        {
            CONFIG: _config(use, chosen),
            TEMPLATE: _template(use, chosen),
            SCHEMA: json.dumps(user_schema(use), indent=2, ensure_ascii=False) + "\n",
            ENVIRONMENT: _environment(use, chosen),
        },
    )


def _memory_faults(use: Resolved) -> list[str]:
    """Parsl's providers for these schedulers cannot ask for memory, and silence would look like consent."""
    kind = use.profile.scheduler.kind
    asked = use["memory_gb"] is not None and kind in {"cobalt", "torque", "local"}
    return [f"memory_gb: {use['memory_gb']}, but a job of {kind} does not ask for memory; leave it out"] if asked else []


def launcher_folder(environment_folder: str) -> str:
    """Return where, in a virtual environment, the launcher belongs that makes the Cobalt provider known."""
    return f"{environment_folder.rstrip('/')}/libexec/pyhf-endpoint"


def _template(use: Resolved, options: Options) -> str:
    facts = ",\n".join(f"  {_json(name)}: {_json(value)}" for name, value in site_facts(use, options).items())
    template = (_TEMPLATES / f"{use.profile.scheduler.kind}.yaml.j2").read_text(encoding="utf-8")
    return f"{{%- set site = {{\n{facts}\n}} %}}\n{template}"


def _json(value: Json) -> str:
    """JSON, which is Jinja's notation too but for null; on one line where that can be read."""
    # Jinja reads escapes of surrogate pairs as two broken characters, so that the text stays as it is.
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) < _WIDTH else json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")


def _config(use: Resolved, options: Options) -> str:
    facility = " ".join(use.profile.facility.split())  # a line feed would end the comment
    lines = [
        f"# {use.profile.name}, {facility}: rendered from the site's profile, which is the place to change a fact.",
        f"display_name: pyhf-endpoint on {use.profile.name} ({use.variant})",
        "public: false",
        "heartbeat_period: 30",
    ]
    if options.allowed_functions:
        lines += ["# Globus Compute and the endpoint itself refuse every other function.", "allowed_functions:"]
        lines += [f"  - {identifier}" for identifier in options.allowed_functions]
    return "\n".join(lines) + "\n"


def _environment(use: Resolved, options: Options) -> str:
    """The variables of the process that runs the engine, and so of the batch system's commands."""
    folder = options.environment.folder
    path = [*([f"{folder.rstrip('/')}/bin"] if folder else []), *options.path, *_SYSTEM_PATH] if options.path else []
    if use.profile.scheduler.kind == "cobalt":
        if folder is None:
            raise UsageError(
                f"site `{use.profile.name}`: the launcher that makes Cobalt known to Globus Compute needs a place;"
                " name the environment by an absolute path: --env venv:/PATH"
            )
        # It stands in for a program of the environment, and so comes before it.
        path = [launcher_folder(folder), f"{folder.rstrip('/')}/bin", *options.path, *_SYSTEM_PATH]
    values = proxy_variables(use.profile.proxies, "login")
    if path:
        values = {"PATH": ":".join(path)} | values
    head = "# Variables of the processes that serve users, on the login node; the others are as where the endpoint starts.\n"
    return head + (yaml.safe_dump(values, sort_keys=False, width=1000) if values else "{}\n")
