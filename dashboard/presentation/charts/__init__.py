"""Figures of attacks, evaluations, runs, chains and studies."""
