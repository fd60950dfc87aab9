"""The live widget of a run in a notebook."""
