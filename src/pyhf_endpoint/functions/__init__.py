"""The functions that an endpoint offers: a JSON object in, a JSON object out, a chunk of hypotheses per call."""

from pyhf_endpoint.functions.hypotest import hypotest
from pyhf_endpoint.functions.settings import ENGINES, TEST_STATISTICS, HypotestSettings

__all__ = ["ENGINES", "TEST_STATISTICS", "HypotestSettings", "hypotest"]
