"""Check that the lessons pass with seeds on which they were not tuned: python -m benchmarks.lessons [--seeds 101,102,103,104,105] [--lessons 1,2]

Each lesson is played as its buttons and solutions play it, one process a core; lessons that keep their seed for everybody are played once.
"""

from __future__ import annotations

import argparse
import os
import time

from joblib import Parallel, delayed

from benchmarks.machine import machine


def played(number: int, seed: int) -> tuple[int, int, list[str], float]:
    """Lesson, seed, what did not pass with what the run said, and seconds."""
    import torch

    from core.lessons import read_lessons
    from core.lessons.library import SHIPPED
    from core.lessons.replay import play_lesson

    torch.set_num_threads(1)
    lesson = next(x for x in read_lessons([SHIPPED], [])[0] if x.number == number)
    began = time.perf_counter()
    replay = play_lesson(lesson, seed=seed if lesson.own_seed else lesson.setup.seed)
    wrong = []
    for i in replay.failed:
        verdict = replay.scenes[i - 1].verdict
        assert verdict is not None
        wrong += [
            f"step {i}: {c.text}, but {', '.join(f'{k} {v}' for k, v in c.values.items())}"
            for c in verdict.clauses
            if not c.holds
        ]
    return number, seed, wrong, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="101,102,103,104,105")
    parser.add_argument("--lessons", default="")
    a = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    from core.lessons import read_lessons
    from core.lessons.library import SHIPPED

    lessons = [
        x for x in read_lessons([SHIPPED], [])[0] if not a.lessons or str(x.number) in a.lessons.split(",")
    ]
    seeds = [int(s) for s in a.seeds.split(",")]
    # a seed's lessons one after another in one place: they share the trained models
    work = [(x.number, s) for s in seeds for x in lessons if x.own_seed or s == seeds[0]]
    print(f"{machine()}; seeds {a.seeds}\n", flush=True)
    found = Parallel(n_jobs=os.cpu_count())(delayed(played)(*w) for w in work)
    print("| lesson | checks | seeds that pass all of them |\n|---|---|---|")
    for x in lessons:
        mine = [f for f in found if f[0] == x.number]
        good = sum(not wrong for _, _, wrong, _ in mine)
        print(
            f"| {x.number} {x.title} | {sum(p.check is not None for p in x.parts)} | {good} of {len(mine)} |"
        )
    for number, seed, wrong, _ in found:
        for text in wrong:
            print(f"lesson {number}, seed {seed}, {text}")
    print(f"{sum(s for *_, s in found) / len(found):.0f} s a lesson, mean")


if __name__ == "__main__":
    main()
