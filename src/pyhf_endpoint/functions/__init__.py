"""The functions that an endpoint offers: a JSON object in, a JSON object out, a chunk of hypotheses per call."""

from pyhf_endpoint.functions.registered import SETTINGS, call, fit, hypotest, prepare, ranking, scan, significance, upper_limit
from pyhf_endpoint.functions.settings import (
    ENGINES,
    HISTOSYS_CODES,
    NORMSYS_CODES,
    TEST_STATISTICS,
    FitSettings,
    HypotestSettings,
    RankingSettings,
    ScanSettings,
    Settings,
    SignificanceSettings,
    UpperLimitSettings,
)
from pyhf_endpoint.functions.wire import Function, RemoteError

__all__ = [
    "ENGINES",
    "HISTOSYS_CODES",
    "NORMSYS_CODES",
    "SETTINGS",
    "TEST_STATISTICS",
    "FitSettings",
    "Function",
    "HypotestSettings",
    "RankingSettings",
    "RemoteError",
    "ScanSettings",
    "Settings",
    "SignificanceSettings",
    "UpperLimitSettings",
    "call",
    "fit",
    "hypotest",
    "prepare",
    "ranking",
    "scan",
    "significance",
    "upper_limit",
]
