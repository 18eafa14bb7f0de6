"""Tests of the batched fit."""
