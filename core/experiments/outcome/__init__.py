"""Outcomes: the paths of the trials of a search, and the verdict on a finished run."""
