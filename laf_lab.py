"""A module named like the distribution: Streamlit looks for one to find the packaged components (dashboard/pyproject.toml)."""
