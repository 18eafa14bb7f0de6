"""Results: the types of the records, and the file that holds them."""

from pyhf_endpoint.results.file import ResultsFile, ResultsWriter, completed, read
from pyhf_endpoint.results.records import (
    FORMAT_VERSION,
    RECORDS,
    UNFINISHED,
    Band,
    FitResult,
    Header,
    HypotestResult,
    Impact,
    Key,
    Kind,
    RankingResult,
    Result,
    ScanResult,
    SignificanceResult,
    Status,
    UpperLimitResult,
)

__all__ = [
    "FORMAT_VERSION",
    "RECORDS",
    "UNFINISHED",
    "Band",
    "FitResult",
    "Header",
    "HypotestResult",
    "Impact",
    "Key",
    "Kind",
    "RankingResult",
    "Result",
    "ResultsFile",
    "ResultsWriter",
    "ScanResult",
    "SignificanceResult",
    "Status",
    "UpperLimitResult",
    "completed",
    "read",
]
