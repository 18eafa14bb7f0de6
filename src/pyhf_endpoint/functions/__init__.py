"""What an endpoint offers: inferences, a chunk of hypotheses per call, and the probe; a JSON object in, a JSON object out."""

from pyhf_endpoint.functions.probe import probe
from pyhf_endpoint.functions.registered import (
    FUNCTIONS,
    SETTINGS,
    call,
    fit,
    hypotest,
    prepare,
    ranking,
    scan,
    significance,
    upper_limit,
)
from pyhf_endpoint.functions.report import Compute, Device, Devices, Job, Parsl, WorkerReport, expand
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
from pyhf_endpoint.functions.visible import names
from pyhf_endpoint.functions.wire import Function, RemoteError

__all__ = [
    "ENGINES",
    "FUNCTIONS",
    "HISTOSYS_CODES",
    "NORMSYS_CODES",
    "SETTINGS",
    "TEST_STATISTICS",
    "Compute",
    "Device",
    "Devices",
    "FitSettings",
    "Function",
    "HypotestSettings",
    "Job",
    "Parsl",
    "RankingSettings",
    "RemoteError",
    "ScanSettings",
    "Settings",
    "SignificanceSettings",
    "UpperLimitSettings",
    "WorkerReport",
    "call",
    "expand",
    "fit",
    "hypotest",
    "names",
    "prepare",
    "probe",
    "ranking",
    "scan",
    "significance",
    "upper_limit",
]
