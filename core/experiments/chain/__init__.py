"""Requests one after another: chains in Python, the map that they share, and their comparison with one run for all."""

from core.experiments.chain.requests import RequestChain

__all__ = ["RequestChain"]
