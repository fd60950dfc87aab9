"""The first imports of a process that serves the Lab, in several threads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

BESIDE = """
import ast, sys, threading, time
from dashboard.server.asgi import import_lab

who = set()

class Slow:
    # a finder that finds nothing: it notes which thread imports, and lets the others go on meanwhile
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("core."):
            who.add(threading.current_thread().name)
            time.sleep(0.005)

sys.meta_path.insert(0, Slow)
script = ast.parse(open("dashboard/app.py").read())
begins = [isinstance(each, ast.Expr) and ast.unparse(each) == "import_lab()" for each in script.body].index(True)
script.body = [each for each in script.body[: begins + 1] if isinstance(each, (ast.Import, ast.ImportFrom, ast.Expr))]
failed = []

def page():
    exec(compile(script, "dashboard/app.py", "exec"), {})

def beside(work):
    def run():
        try:
            work()
        except BaseException as error:
            failed.append(error)
    return threading.Thread(target=run, daemon=True)

threads = [beside(import_lab), beside(page), beside(page)]
for each in threads:
    each.start()
for each in threads:
    each.join(120)
assert not failed, failed
assert not any(each.is_alive() for each in threads), "they wait for each other"
assert len(who) == 1, who
packages = ["evaluation.attacks", "data", "lessons", "methods", "runs.storage", "experiments.studies"]
print([name for name in packages if "core." + name not in sys.modules])
"""


def test_one_thread_imports_the_lab_while_the_others_wait():
    done = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", "packages that two pages could still import at once"


WITHOUT_LOCK = """
import sys, threading, time
import torch

class Slow:
    # a finder that finds nothing: it lets the other thread go on meanwhile
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("core."):
            begun.set()
            time.sleep(0.03)

sys.meta_path.insert(0, Slow)
begun, failed = threading.Event(), []

def beside(name):
    def run():
        try:
            __import__(name)
        except BaseException as error:
            failed.append(type(error).__name__)
    return threading.Thread(target=run, daemon=True)

threads = [beside("core.runs.storage"), beside("core.runs.storage.quota")]
threads[0].start()
begun.wait(60)  # now the first has the package's lock, on a busy machine too
threads[1].start()
for each in threads:
    each.join(60)
print(failed)
"""


@pytest.mark.slow
def test_without_the_lock_two_threads_wait_for_each_other():
    """If this fails, no package of core may import its own modules in its __init__: look whether the lock can go."""
    # which thread comes first is chance, so a try may end well
    tries = (
        subprocess.run([sys.executable, "-c", WITHOUT_LOCK], capture_output=True, text=True, cwd=ROOT)
        for _ in range(5)
    )
    assert any(done.stdout.strip() == "['_DeadlockError']" for done in tries)
