"""What the numbers in README and docs come from; each prints Markdown."""
