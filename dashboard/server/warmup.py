"""The lock under which a process first imports the Lab, so that only one of its threads does.

`import core.methods.base` locks the module and then its package; `import core.methods` locks the package and, where its __init__
imports it, then the module. Two threads that do both at once wait for each other, and Python ends one of them with a _DeadlockError.
"""

import threading

ONE_IMPORT = threading.RLock()


def import_lab() -> None:
    """What every page needs, torch with it: 2.5 s."""
    with ONE_IMPORT:
        import core.experiments.studies  # noqa: F401 - no page but its own needs it, and it is a package whose __init__ imports its modules
        import dashboard.session.lab  # noqa: F401
