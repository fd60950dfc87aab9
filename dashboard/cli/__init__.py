"""The command `laf`: one module or folder for each of its subcommands."""

from __future__ import annotations

import sys


def start() -> int:
    """Run the command of this process and return its exit code; Ctrl-C while it is being imported ends it in one line too."""
    try:
        from dashboard.cli.main import main

        return main()
    except KeyboardInterrupt:
        print("laf: stopped", file=sys.stderr)
        return 1
