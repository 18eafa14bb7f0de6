"""The same configuration for Parsl alone: a Python file with a `Config`, made from what Globus Compute would read."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pyhf_endpoint.endpoint.container import COMMAND, RUN_FOLDER
from pyhf_endpoint.endpoint.render import Bundle
from pyhf_endpoint.endpoint.user_config import render_user_config

__all__ = ["parsl_config"]

# What GlobusComputeEngine takes for itself; all else is HighThroughputExecutor's.
_ENGINES_OWN = {
    "type",
    "provider",
    "address",
    "allowed_serializers",
    "job_status_kwargs",
    "max_retries_on_system_failure",
    "container_type",
    "container_cmd_options",
}
_HEAD = '''"""Parsl on {site}, from the site profile of pyhf-endpoint: `parsl.load(config)`."""
'''


def parsl_config(bundle: Bundle) -> str:
    """Return the text of a Python module that defines `config`, with the template's defaults for users' options.

    Raises:
        UsageError: The defaults are incomplete.
        MissingExtraError: Globus Compute's endpoint is not installed.
    """
    engine = yaml.safe_load(render_user_config(bundle))["engine"]
    provider = dict(engine["provider"])
    kind = provider.pop("type")
    launcher = provider.pop("launcher", None)
    worker_init = provider.pop("worker_init", "")
    lines = [_HEAD.format(site=bundle.site), *_imports(engine, kind, launcher), ""]
    lines += ["WORKER_INIT = (", *(f"    {line!r}" for line in worker_init.splitlines(keepends=True)), ")", ""]
    lines += ["config = Config("]
    lines += [
        f"    max_idletime={engine['job_status_kwargs']['max_idletime']!r},",
        f"    strategy_period={engine['job_status_kwargs']['strategy_period']!r},",
        f"    retries={engine['max_retries_on_system_failure']!r},",
        "    executors=[",
        "        HighThroughputExecutor(",
        f"            label={bundle.site!r},",
        *_arguments({name: value for name, value in engine.items() if name not in _ENGINES_OWN}, 12),
        *_address(engine.get("address")),
        *_launch_command(engine),
        f"            provider={kind}(",
        *_arguments(provider, 16),
        "                worker_init=WORKER_INIT,",
        *([f"                launcher={_call(launcher)},"] if launcher else []),
        "            ),",
        "        )",
        "    ],",
        ")",
    ]
    return "\n".join(lines) + "\n"


def _imports(engine: Mapping[str, Any], provider: str, launcher: Mapping[str, Any] | None) -> Iterator[str]:
    address = engine.get("address")
    if isinstance(address, dict):
        yield f"from parsl.addresses import {address['type']}"
    yield "from parsl.config import Config"
    yield "from parsl.executors import HighThroughputExecutor"
    yield "from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD"
    if launcher:
        yield f"from parsl.launchers import {launcher['type']}"
    yield f"from {'pyhf_endpoint.cobalt.provider' if provider == 'CobaltProvider' else 'parsl.providers'} import {provider}"


def _arguments(values: Mapping[str, Any], indent: int) -> Iterator[str]:
    for name, value in values.items():
        yield f"{' ' * indent}{name}={value!r},"


def _address(address: str | Mapping[str, Any] | None) -> Iterator[str]:
    if address is not None:
        yield f"            address={address!r}," if isinstance(address, str) else f"            address={_call(address)},"


def _call(typed: Mapping[str, Any]) -> str:
    """A mapping with a `type` as a call of it."""
    return f"{typed['type']}({', '.join(f'{name}={value!r}' for name, value in typed.items() if name != 'type')})"


def _launch_command(engine: Mapping[str, Any]) -> Iterator[str]:
    # Parsl alone knows no folder of an engine; what workers read lies where they log.
    prefix = engine["container_cmd_options"].removesuffix(COMMAND).replace(RUN_FOLDER, "{logdir}")
    yield f"            launch_cmd={prefix!r} + DEFAULT_LAUNCH_CMD,"
