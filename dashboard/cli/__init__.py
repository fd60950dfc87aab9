"""The command `laf`: one module or folder for each of its subcommands."""
