"""Parts of `laf run`: settings on the command line, and requests that follow a kept run."""
