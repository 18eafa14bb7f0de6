"""Every shipped site's endpoint, compared whole with its golden files, and rendered by the real program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pyhf_endpoint.endpoint import CONFIG, ENVIRONMENT, SCHEMA, TEMPLATE
from tests.endpoint.capture import submission
from tests.endpoint.golden import GOLDEN, SITES, USER_CONFIG, bundle_of, files_of, use_of

HANDED_OVER = {"submit.sh", "submit.txt", "pod.json"}


def golden(site: str) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (GOLDEN / site).iterdir()}


def test_there_are_golden_files_of_every_site_and_of_no_other() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == SITES


@pytest.mark.parametrize("site", SITES)
def test_the_bundle_is_the_golden_one(site: str) -> None:
    expected = {name: text for name, text in golden(site).items() if name not in HANDED_OVER}
    assert files_of(bundle_of(use_of(site))) == expected


@pytest.mark.parametrize("site", SITES)
def test_what_is_handed_to_the_batch_system_is_the_golden_text(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = golden(site)
    expected = {name: text for name, text in files.items() if name in HANDED_OVER}
    assert submission(files[USER_CONFIG], tmp_path, monkeypatch) == expected


@pytest.mark.parametrize("site", SITES)
def test_globus_computes_own_program_renders_the_same(site: str, tmp_path: Path) -> None:
    options = tmp_path / "options.json"
    options.write_text("{}", encoding="utf-8")
    program = Path(sys.executable).with_name("globus-compute-endpoint")
    files = GOLDEN / site
    done = subprocess.run(
        [program, "render-user-config", "-t", files / TEMPLATE, "-s", files / SCHEMA, "-o", options],
        env={**os.environ, "GLOBUS_COMPUTE_USER_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (files / USER_CONFIG).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("site", "variant"), [(site, variant) for site in SITES for variant in list(use_of(site).profile.variants)[1:]]
)
def test_the_other_variants_are_handed_over_too(site: str, variant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use = use_of(site, variant)
    text = files_of(bundle_of(use))[USER_CONFIG]
    handed_over = "".join(submission(text, tmp_path, monkeypatch).values())
    assert f"--max_workers_per_node={use['workers_per_node']} " in handed_over or site == "local"


@pytest.mark.parametrize(
    ("site", "variant"),
    [
        (site, variant)
        for site in SITES
        for variant in use_of(site).profile.variants
        if getattr(use_of(site).profile.scheduler, "rejects", ())
    ],
)
def test_what_a_site_rejects_is_nowhere_in_its_jobs(
    site: str, variant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use = use_of(site, variant)
    rejects = getattr(use.profile.scheduler, "rejects", ())
    script = submission(files_of(bundle_of(use))[USER_CONFIG], tmp_path, monkeypatch)["submit.sh"]
    options = [line.split(maxsplit=1)[1] for line in script.splitlines() if line.startswith(("#SBATCH ", "#PBS "))]
    assert len(options) > 5
    assert not [option for option in options if option.startswith(tuple(rejects))]


@pytest.mark.parametrize("site", SITES)
def test_the_other_files_are_what_globus_compute_takes(site: str) -> None:
    from globus_compute_endpoint.endpoint.config import CoreEndpointConfig
    from globus_compute_endpoint.endpoint.config.utils import load_config_yaml

    files = golden(site)
    assert type(load_config_yaml(files[CONFIG])) is CoreEndpointConfig
    variables = yaml.safe_load(files[ENVIRONMENT])
    assert all(isinstance(item, str) for pair in variables.items() for item in pair)
