"""Datasets that need no download: scikit-learn's digits and tables, and generated series."""
