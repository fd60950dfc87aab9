"""The frame of every page: title, icon, logo and style."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

STATIC = Path(__file__).parent / "static"


def frame() -> None:
    """Set up the page. Call this first in a script."""
    st.set_page_config("LAF Lab", "🌗", layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "lab.css")
    st.logo(str(STATIC / "logo.svg"), size="medium")


def mark_group(groups: Mapping[str, Sequence[Any]], page: Any) -> None:
    """Show the open page's title beside its group in the navigation, since its own entry is in a closed menu.

    ``groups``: pages by the group's title, those without a title first.
    """
    title = next((t for t, pages in groups.items() if t and page in pages), None)
    if title is None:
        return
    place = len(groups.get("", ())) + [t for t in groups if t].index(title) + 1
    entry = f'[data-testid="stTopNav"] > :nth-child({place}) [data-testid="stTopNavSection"]'
    st.html(
        f"<style>{entry} {{ background: color-mix(in srgb, currentColor 16%, transparent); font-weight: 650; }}"
        f'{entry} p::after {{ content: "\\a0· {page.title}"; }}</style>'
    )
