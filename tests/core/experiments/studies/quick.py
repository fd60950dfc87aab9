"""Studies whose runs take a fraction of a second."""

from __future__ import annotations

from core.experiments.studies import (
    parse_study,
)

QUICK = """
references = 1
seeds = {seeds}
[fixed]
"train.epochs" = 1
"vae.epochs" = 1
steps = 2
[grid]
temperature = {values}
"""


SLOW = QUICK.replace('"vae.epochs" = 1\nsteps = 2', '"vae.epochs" = 10\nsteps = 30')


def quick(name: str, seeds="[0]", values="[5.0, 20.0]"):
    """A study of the real digits whose runs take a fraction of a second."""
    return parse_study(QUICK.format(seeds=seeds, values=values), name)
