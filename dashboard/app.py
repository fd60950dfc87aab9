"""The page's script: its frame and the navigation between its views."""

from pathlib import Path

import streamlit as st

from dashboard.page_frame import frame, mark_group
from dashboard.presentation.text.pages import common as say
from dashboard.server.warmup import import_lab

VIEWS = Path(__file__).parent / "views"

import_lab()  # before a view imports any of it
frame()
# Pages of the group without a title are links; those of the others are in a menu under the group's title.
groups = {
    "": [
        st.Page(VIEWS / "lab.py", title=say.PAGES["lab"], default=True),
        st.Page(VIEWS / "forget.py", title=say.PAGES["forget"], url_path="forget"),
    ],
    say.EVIDENCE: [
        st.Page(VIEWS / "attack.py", title=say.PAGES["attack"], url_path="attack"),
        st.Page(VIEWS / "compare.py", title=say.PAGES["compare"], url_path="compare"),
        st.Page(VIEWS / "studies.py", title=say.PAGES["studies"], url_path="studies"),
        st.Page(VIEWS / "judge.py", title=say.PAGES["judge"], url_path="judge"),
    ],
    say.LEARN: [
        st.Page(VIEWS / "lessons.py", title=say.PAGES["lessons"], url_path="lessons"),
        st.Page(VIEWS / "guide.py", title=say.PAGES["guide"], url_path="guide"),
    ],
    say.KEPT: [
        st.Page(VIEWS / "runs.py", title=say.PAGES["runs"], url_path="runs"),
        st.Page(VIEWS / "audit.py", title=say.PAGES["audit"], url_path="audit"),
    ],
}
page = st.navigation(groups, position="top")
mark_group(groups, page)
page.run()
