"""Fit whole grids of pyhf signal hypotheses at named HPC sites."""

__version__ = "0.1.0"
