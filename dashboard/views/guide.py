"""The page Guide: how to read the Lab's pictures and figures, and what they do not show, with contents and search."""

from __future__ import annotations

import base64

import streamlit as st

from dashboard.presentation.guide.pages import Section, found_by, sections
from dashboard.presentation.text.pages import guide as say


def page() -> None:
    """Draw the page Guide."""
    contents, text = st.columns([1, 3.4], gap="large")
    with contents:
        st.markdown(say.HEADING)
        words = st.text_input(say.SEARCH, placeholder=say.SEARCH_HINT, key="guide-search")
        found = found_by(words)
        if not found:
            st.caption(say.NONE_FOUND)
        elif words.strip():
            st.caption(say.found(len(found), len(sections())))
        st.markdown("\n".join(f"- [{s.title}](#{s.name})" for s in found))
        st.caption(say.NEW_HERE)
        st.page_link("views/lessons.py", label=say.OPEN_LESSONS)
    with text:
        for section in found:
            with st.container(key=f"guide-{section.name}"):
                _show(section)


def _show(section: Section) -> None:
    st.subheader(section.title, anchor=section.name)
    if section.picture is not None:
        data = base64.b64encode(section.picture.encode()).decode()
        # an <img>, since st.html removes inline SVG; its size is given, so that the text below does not jump
        st.html(
            f'<figure class="guide-picture"><img alt="" style="aspect-ratio: {section.shape}" src="data:image/svg+xml;base64,{data}">'
            f"<figcaption>{section.caption}</figcaption></figure>"
        )
    st.markdown(section.words)
    if section.formulas:
        with st.expander(say.FORMULAS):
            st.markdown(section.formulas)


if __name__ == "__main__":
    page()
