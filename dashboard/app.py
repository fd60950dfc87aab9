"""The page's frame: settings of the whole app and the navigation between its pages."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

st.set_page_config("LAF Lab", "◐", layout="wide", initial_sidebar_state="collapsed")
st.html(HERE / "static" / "lab.css")
st.logo(str(HERE / "static" / "logo.svg"), size="medium")
pages = [
    st.Page(HERE / "views" / "lab.py", title="Lab", default=True),
    st.Page(HERE / "views" / "guide.py", title="Guide", url_path="guide"),
]
st.navigation(pages, position="top").run()
