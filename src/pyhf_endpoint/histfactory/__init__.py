"""Batched HistFactory fits: one workspace, many signal hypotheses, all fits at once."""

from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import compile_workspace
from pyhf_endpoint.histfactory.infer import hypotest
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.result import STATUSES, USABLE, HypotestResult

__all__ = ["STATUSES", "USABLE", "Batch", "HypotestResult", "Model", "compile_workspace", "hypotest"]
