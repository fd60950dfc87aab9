"""Label-Agnostic Forgetting: its losses, its steps, and the search for its settings."""
