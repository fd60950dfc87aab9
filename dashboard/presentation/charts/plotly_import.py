"""Plotly, for all pages: imported after pandas, since it takes a pandas that another thread has begun to import for a whole one."""

import pandas  # noqa: F401
import plotly.graph_objects as go
from plotly.subplots import make_subplots

__all__ = ["go", "make_subplots"]
