"""The Lab's own page over a recorded run; started by benchmarks/map_view.py."""

import os

import streamlit as st

from dashboard.server.warmup import ONE_IMPORT

with ONE_IMPORT:
    from benchmarks.recorded import recording
    from dashboard import page_frame
    from dashboard.session import resources
    from dashboard.session.lab import Lab
    from dashboard.views.lab import page


@st.cache_resource(show_spinner=False)
def lab() -> Lab:
    made = Lab(resources.runner(), resources.umap(), resources.map_runner(), resources.kept())
    made.experiment.close()
    made.experiment = recording(resources.umap(), int(os.environ["POINTS"]))
    return made


page_frame.frame()
page(lab())
