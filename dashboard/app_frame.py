"""What every page of the Lab stands in: title, icon, logo, style."""

from pathlib import Path

import streamlit as st

STATIC = Path(__file__).parent / "static"


def frame() -> None:
    """Call first in a script."""
    st.set_page_config("LAF Lab", "◐", layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "lab.css")
    st.logo(str(STATIC / "logo.svg"), size="medium")
