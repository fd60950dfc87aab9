"""The lock under which a process imports the Lab, so that only one of its threads does.

Works around this behaviour of Streamlit 1.67: it runs each browser's script in a thread of its own, so that several threads import the
Lab at once. `import core.runs.storage.quota` locks the module and then its package. `import core.runs.storage` locks the package, and
its __init__ then locks the module. Two threads that do both wait for each other, and Python ends one of them with a _DeadlockError.
"""

import threading

ONE_IMPORT = threading.RLock()


def import_lab() -> None:
    """Import what every page needs. The first call takes about 2.5 s, most of it for torch."""
    with ONE_IMPORT:
        # Only one page needs the studies, but their package imports its modules in its __init__.
        import core.experiments.studies  # noqa: F401
        import dashboard.session.lab  # noqa: F401
