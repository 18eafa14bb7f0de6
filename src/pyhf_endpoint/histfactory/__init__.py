"""Batched HistFactory fits: one workspace, many signal hypotheses, all fits at once."""

from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.bestfit import BestFit, fit
from pyhf_endpoint.histfactory.compile import compile_workspace
from pyhf_endpoint.histfactory.discovery import Significance, significance
from pyhf_endpoint.histfactory.driver import Setup
from pyhf_endpoint.histfactory.impacts import Impact, Ranking, ranking
from pyhf_endpoint.histfactory.infer import hypotest
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.limits import UpperLimit, upper_limit
from pyhf_endpoint.histfactory.result import STATUSES, USABLE, HypotestResult
from pyhf_endpoint.histfactory.scan import Grid, Scan, scan

__all__ = [
    "STATUSES",
    "USABLE",
    "Batch",
    "BestFit",
    "Grid",
    "HypotestResult",
    "Impact",
    "Model",
    "Ranking",
    "Scan",
    "Setup",
    "Significance",
    "UpperLimit",
    "compile_workspace",
    "fit",
    "hypotest",
    "ranking",
    "scan",
    "significance",
    "upper_limit",
]
