"""`pyhf-endpoint example` and `fetch`: analyses to work on."""

from pathlib import Path

import click

__all__ = ["example", "fetch"]


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--signals", type=int, default=125, show_default=True, help="Number of signal hypotheses.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the generated numbers.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there and differ.")
def example(directory: Path, signals: int, seed: int, overwrite: bool) -> None:
    """Write a generated analysis with the shape of the ATLAS 1Lbb search: BkgOnly.json and patchset.json in DIRECTORY."""
    from pyhf_endpoint.example import write

    for path in write(directory, signals=signals, seed=seed, overwrite=overwrite):
        click.echo(path)


@click.command()
@click.argument("source", metavar="DOI|URL")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Also accept a host that pyhf does not know.")
def fetch(source: str, directory: Path, force: bool) -> None:
    """Download a published analysis and unpack it into DIRECTORY."""
    from pyhf_endpoint.inputs.fetch import fetch as download

    for path in download(source, directory, force=force):
        click.echo(path)
