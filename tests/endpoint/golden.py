"""The golden files: what every shipped site's endpoint is made of, and what it submits; `make golden` writes them anew.

They are rendered for the site's first variant, with the default environment, but for the schedulers that need another kind; and
with an account where the scheduler has accounts, so that users need say nothing.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

import pyhf_endpoint
from pyhf_endpoint import profiles
from pyhf_endpoint.endpoint import DEFAULT_ENVIRONMENT, Bundle, Environment, Options, render, render_user_config
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.schedulers import Batch
from tests.endpoint.capture import submission

GOLDEN = Path(__file__).parents[1] / "golden"
_SITES = Path(pyhf_endpoint.__file__).parent / "site_profiles"
#: Only what ships: the developer's own sites are nobody else's.
SITES = sorted(path.stem for path in _SITES.glob("*.yaml"))
USER_CONFIG = "user_config.yaml"
_ENVIRONMENTS = {"kubernetes": "image:registry.example.org/pyhf-endpoint:cpu", "cobalt": "venv:/opt/pyhf-endpoint"}


def use_of(site: str, variant: str | None = None) -> Resolved:
    profile = profiles.read(_SITES / f"{site}.yaml", "shipped").profile
    account = "project" if isinstance(profile.scheduler, Batch) else None
    return profiles.resolve(profile, variant, {"account": account})


def bundle_of(use: Resolved) -> Bundle:
    environment = _ENVIRONMENTS.get(use.profile.scheduler.kind, DEFAULT_ENVIRONMENT)
    return render(use, Options(Environment.parse(environment)))


def files_of(bundle: Bundle) -> dict[str, str]:
    """The bundle, and what it makes of a user who says nothing."""
    return {**bundle.files, USER_CONFIG: render_user_config(bundle) + "\n"}


def write() -> None:
    """Write the golden files of all sites, and remove those of sites that are gone."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for site in SITES:
        bundle = bundle_of(use_of(site))
        files = files_of(bundle)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, pytest.MonkeyPatch.context() as patch:
            files |= submission(files[USER_CONFIG], Path(folder), patch)
        (GOLDEN / site).mkdir(parents=True)
        for name, text in files.items():
            (GOLDEN / site / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
