"""Files to download: pages, tables, models and notebooks."""
