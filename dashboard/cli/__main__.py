"""Run the command line with ``python -m dashboard.cli``."""

import sys

from dashboard.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
