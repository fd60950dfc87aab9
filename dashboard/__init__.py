"""The page and the command line of LAF Lab."""
