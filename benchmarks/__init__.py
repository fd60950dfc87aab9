"""Programs that measure the numbers in README and docs. Each prints Markdown."""
