"""The schemas that travel with the package are pyhf's."""

from importlib import metadata, resources
from pathlib import Path

import pyhf
import pytest

OURS = resources.files("pyhf_endpoint") / "schemas"
THEIRS = Path(pyhf.__file__).parent / "schemas"


@pytest.mark.parametrize("name", sorted(path.name for path in (THEIRS / "1.0.0").iterdir()))
def test_schema_equals_pyhfs_byte_for_byte(name: str) -> None:
    assert (OURS / "1.0.0" / name).read_bytes() == (THEIRS / "1.0.0" / name).read_bytes()


def test_there_are_no_others() -> None:
    ours = sorted(entry.name for entry in (OURS / "1.0.0").iterdir())
    assert ours == sorted(path.name for path in (THEIRS / "1.0.0").iterdir())


def test_licence_is_pyhfs_and_names_its_source() -> None:
    text = (OURS / "LICENSE.pyhf").read_text()
    files = metadata.files("pyhf")
    assert files is not None
    licence = next(Path(str(file.locate())) for file in files if file.name == "LICENSE")
    assert text.endswith(licence.read_text())
    assert text.startswith(
        "The JSON schemas under 1.0.0/ are part of pyhf 0.7.6 (https://github.com/scikit-hep/pyhf), copied unchanged.\n"
    )
    assert "pyhf 0.7.6; schema version 1.0.0" in (OURS / "README.md").read_text()
