"""Run the command line with ``python -m dashboard.cli``."""

import sys

from dashboard.cli import start

if __name__ == "__main__":
    sys.exit(start())
