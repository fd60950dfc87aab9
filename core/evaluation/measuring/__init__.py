"""Measurements for a report: of one model, then beside the original and the retrained models."""
