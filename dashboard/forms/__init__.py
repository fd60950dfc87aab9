"""Forms and panels from which the pages are built."""
