"""The commands that judge models: `laf compare`, `laf judge` and `laf audit`."""
