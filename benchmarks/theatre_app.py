"""The Lab's own page over a recorded run; started by benchmarks/theatre.py."""

import os

import streamlit as st

from dashboard.one_import import ONE_IMPORT

with ONE_IMPORT:
    from benchmarks.recorded import recording
    from dashboard import app_frame, cache
    from dashboard.state import Lab
    from dashboard.views.lab import page


@st.cache_resource(show_spinner=False)
def lab() -> Lab:
    made = Lab(cache.runner(), cache.umap(), cache.map_runner(), cache.kept())
    made.experiment.close()
    made.experiment = recording(cache.umap(), int(os.environ["POINTS"]))
    return made


app_frame.frame()
page(lab())
