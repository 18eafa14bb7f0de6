"""Grids through the real daemon: the client as users have it, by name of the site."""

from pathlib import Path

import pytest

from pyhf_endpoint.client import Client
from tests import small


def test_a_grid_gives_what_it_gives_here(site: str, tmp_path: Path) -> None:
    inputs = small.write(tmp_path, signals=40)
    with Client(site) as remote, Client("local", workers=1) as here:
        found = {one.name: one for one in remote.hypotest(*inputs)}
        expected = {one.name: one for one in here.hypotest(*inputs)}
    assert found.keys() == expected.keys()
    for name, one in found.items():
        assert one.CLs_obs == pytest.approx(expected[name].CLs_obs, rel=1e-9)
