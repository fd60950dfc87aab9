"""The page's script: its frame and the navigation between its views."""

from pathlib import Path

import streamlit as st

from dashboard.page_frame import frame, mark_group
from dashboard.server.warmup import import_lab

VIEWS = Path(__file__).parent / "views"

import_lab()  # before a view imports any of it
frame()
# Pages of the group without a title are links; those of the others are in a menu under the group's title.
groups = {
    "": [
        st.Page(VIEWS / "lab.py", title="Lab", default=True),
        st.Page(VIEWS / "forget.py", title="Forget set", url_path="forget"),
    ],
    "Evidence": [
        st.Page(VIEWS / "attack.py", title="Attack", url_path="attack"),
        st.Page(VIEWS / "compare.py", title="Compare", url_path="compare"),
        st.Page(VIEWS / "studies.py", title="Studies", url_path="studies"),
        st.Page(VIEWS / "judge.py", title="Judge", url_path="judge"),
    ],
    "Learn": [
        st.Page(VIEWS / "lessons.py", title="Lessons", url_path="lessons"),
        st.Page(VIEWS / "guide.py", title="Guide", url_path="guide"),
    ],
    "Kept": [
        st.Page(VIEWS / "runs.py", title="Runs", url_path="runs"),
        st.Page(VIEWS / "audit.py", title="Audit", url_path="audit"),
    ],
}
page = st.navigation(groups, position="top")
mark_group(groups, page)
page.run()
