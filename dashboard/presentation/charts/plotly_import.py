"""Plotly for all pages, imported after pandas: plotly would use a pandas that another thread has only half imported."""

import pandas  # noqa: F401
import plotly.graph_objects as go
from plotly.subplots import make_subplots

__all__ = ["go", "make_subplots"]
