"""What a search for settings and a finished run led to: paths of trials, and the verdict."""
