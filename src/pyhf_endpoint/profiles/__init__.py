"""What a site is: facts in one YAML file per machine, parsed once into a frozen model."""

from pyhf_endpoint.profiles.load import FoundProfile, find, names, parse
from pyhf_endpoint.profiles.model import LocalScheduler, SiteProfile

__all__ = ["FoundProfile", "LocalScheduler", "SiteProfile", "find", "names", "parse"]
