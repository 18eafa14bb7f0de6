"""What a site is: facts in one YAML file per machine, parsed once into a frozen model."""

from pyhf_endpoint.profiles.begin import begin
from pyhf_endpoint.profiles.evidence import Evidence, evidence
from pyhf_endpoint.profiles.load import FoundProfile, find, parse, read
from pyhf_endpoint.profiles.model import SiteProfile
from pyhf_endpoint.profiles.resolve import OPTIONS, Resolved, Setting, resolve, variant_name
from pyhf_endpoint.profiles.rules import Fault, check, check_use
from pyhf_endpoint.sites import FOLDERS_VARIABLE, folders, names

__all__ = [
    "FOLDERS_VARIABLE",
    "OPTIONS",
    "Evidence",
    "Fault",
    "FoundProfile",
    "Resolved",
    "Setting",
    "SiteProfile",
    "begin",
    "check",
    "check_use",
    "evidence",
    "find",
    "folders",
    "names",
    "parse",
    "read",
    "resolve",
    "variant_name",
]
