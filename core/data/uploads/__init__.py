"""Datasets that users upload: reading in an isolated process, a preview, and the store that keeps them."""
