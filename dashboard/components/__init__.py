"""Streamlit components that draw in the browser, each with a frontend in JavaScript."""
