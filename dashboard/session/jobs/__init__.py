"""Background jobs of one tab's pages."""
