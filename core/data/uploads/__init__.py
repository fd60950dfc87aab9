"""Data that people bring: read safely, looked at, and put into the shape of every other dataset; ``core.data.uploads.store`` keeps it."""
