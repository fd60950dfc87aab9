"""What every page of the Lab stands in: title, icon, logo, style, and an early start for the components' modules."""

import json
from pathlib import Path

import streamlit as st

from dashboard.components.assets import modules
from dashboard.server.frame_socket import PUSH
from dashboard.session import lab

HERE = Path(__file__).parent
STATIC = HERE / "static"


def frame() -> None:
    """Call first in a script."""
    st.set_page_config("LAF Lab", "🌗", layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "lab.css")
    if not PUSH.serves:  # the Lab's own server names the modules in its page, and sets the cookie
        with st.container(key="preload-frame"):
            st.html(_preload(), unsafe_allow_javascript=True)
            lab.keep_browser()
    st.logo(str(STATIC / "logo.svg"), size="medium")


def _preload() -> str:
    """A script that fetches all modules at once: found one import after the other, they came half a second later."""
    return f"""<script>
if (!window.lafPreloaded) {{
  window.lafPreloaded = true;
  for (const path of {json.dumps(modules())}) {{
    const link = document.createElement("link");
    Object.assign(link, {{ rel: "modulepreload", href: new URL(path, document.baseURI).href }});
    document.head.append(link);
  }}
}}
</script>"""
