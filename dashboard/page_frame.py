"""The frame of every page: title, icon, logo and style."""

from pathlib import Path

import streamlit as st

STATIC = Path(__file__).parent / "static"


def frame() -> None:
    """Set up the page. Call this first in a script."""
    st.set_page_config("LAF Lab", "🌗", layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "lab.css")
    st.logo(str(STATIC / "logo.svg"), size="medium")
