"""Every shipped site's endpoint, compared whole with its golden files, and rendered by the real program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyhf_endpoint.endpoint import SCHEMA, TEMPLATE
from tests.endpoint.capture import submission, with_addresses
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
def test_the_other_variants_load_too(site: str, variant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_addresses(monkeypatch)
    use = use_of(site, variant)
    text = files_of(bundle_of(use))[USER_CONFIG]
    handed_over = submission(text, tmp_path, monkeypatch)
    assert f"--max_workers_per_node={use['workers_per_node']} " in "".join(handed_over.values()) or site == "local"
