"""What the user hands in: workspaces and patch sets, read, checked and turned into frozen objects before any fit."""

from pyhf_endpoint.inputs.patchset import Patch, PatchSet, workspace_digest
from pyhf_endpoint.inputs.source import Analysis, load

__all__ = ["Analysis", "Patch", "PatchSet", "load", "workspace_digest"]
