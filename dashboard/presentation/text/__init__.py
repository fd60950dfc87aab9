"""Words and numbers of the pages."""
