"""What one tab's Attack page holds: what each attack finds in the model of the Lab, beside original and retrained models; no screen."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.data.split import Split
from core.errors import DivergedError, LabError
from core.evaluation.attacks.per_image import MOST as FEW
from core.evaluation.attacks.per_image import PerImage, logits_of, per_image
from core.evaluation.attacks.result import AttackResult, Scores, attack_result
from core.evaluation.attacks.scores import ATTACKS, Answers
from core.evaluation.measurements import EvaluationSample, answers_of, scores_of
from core.experiments.session.experiment import Experiment
from core.models.base import Net, outputs
from core.runs.run import Phase, Run
from core.runtime.scheduler import Scheduler, SlicedTask


@dataclass(frozen=True, eq=False)
class AttackData:
    """All attacks on one model; ``sample`` says on which images."""

    step: int  # of the run
    steps: int
    references: int
    sample: EvaluationSample
    results: dict[str, AttackResult]  # by attack
    per_image: (
        PerImage | None
    )  # where at most 50 different images are forgotten and two models were retrained


class AttackJob:
    """Attacks the Lab's model as it stands; original and retrained models are looked at once. Whoever shows it polls."""

    def __init__(self, runner: Scheduler) -> None:
        self._runner = runner
        self._task: SlicedTask | None = None
        self._of: tuple[Net, Split] | None = None  # original and images that what is known is about
        self._key: object = None  # of what was attacked last
        self._sample: EvaluationSample | None = None
        self._known: dict[
            int, tuple[Net, Answers, dict[str, Scores | None]]
        ] = {}  # by id, which the Net keeps taken
        self.found: AttackData | None = None
        self.error: str | None = None

    @property
    def busy(self) -> bool:
        """Whether an attack is going on."""
        return self._task is not None and self._task.alive

    def want(self, e: Experiment) -> None:
        """Attack the model of ``e`` as it stands, unless that was done or is being done."""
        if e.run is None or e.model is None or e.split is None or self.busy or e.run.phase is Phase.RUNNING:
            return
        key = (id(e.run), e.life, len(e.run.steps), len(e.references))
        if key == self._key:
            return
        if self._of is None or self._of[0] is not e.model or self._of[1] is not e.split:
            self.close()
            self._of = (e.model, e.split)
        self._key = key
        self.error = None
        self._task = SlicedTask(self._work(e, e.run, e.model), self._failed)
        self._runner.submit(self._task)

    def close(self) -> None:
        """Stop, and forget what was found."""
        if self._task is not None:
            self._runner.discard(self._task)
        self._task, self._of, self._key, self._sample, self.found = None, None, None, None, None
        self._known.clear()

    def _failed(self, error: LabError) -> None:
        self.error = str(error)

    def _work(self, e: Experiment, run: Run, original: Net) -> Iterator[None]:
        assert e.split is not None
        if self._sample is None:
            self._sample = EvaluationSample(e.split, e.setup.seed)
            yield
        sample, references = self._sample, [r.model for r in e.references]
        step, model = len(run.steps), run.result if run.steps else original
        before = yield from self._keep(original, sample)
        theirs = []
        for reference in references:
            theirs.append((yield from self._keep(reference, sample)))
        mine = before if model is original else (yield from _attacked(model, sample))
        members, unseen = len(sample.sets.members), len(sample.sets.non_members)
        results = {
            name: attack_result(
                name, mine[1][name], before[1][name], [s for t in theirs if (s := t[1][name]) is not None], members, unseen
            )
            for name in ATTACKS
        }  # fmt: skip
        images = None
        if 0 < members <= FEW:
            rows = sample.sets.members
            logits = [logits_of(a.members, a.members_y) for a, _ in (mine, before, *theirs)]
            images = per_image(rows, e.split.train.ids.cpu()[rows], logits[0], logits[2:], logits[1:2])
        if self._sample is sample:
            self.found = AttackData(step, run.total_steps, len(references), sample, results, images)

    def _keep(
        self, model: Net, sample: EvaluationSample
    ) -> Generator[None, None, tuple[Answers, dict[str, Scores | None]]]:
        if id(model) not in self._known:
            answers, scores = yield from _attacked(model, sample)
            self._known[id(model)] = (model, answers, scores)
        return self._known[id(model)][1:]


def _attacked(
    model: Net, sample: EvaluationSample, size: int = 1000
) -> Generator[None, None, tuple[Answers, dict[str, Scores | None]]]:
    """What ``model`` says of the sample's images, a batch a slice, and the scores of all attacks. Raises DivergedError."""
    split = sample.split
    said = {}
    for key, images, rows in (
        ("remain", split.train, sample.remain),
        ("forget", split.train, sample.forget),
        ("test", split.test, sample.test),
    ):
        parts = [torch.empty(0, len(split.dataset.classes))]
        for some in torch.split(rows, size):
            if len(some):
                parts.append(outputs(model, images.take(some), batch_size=size).probabilities)
            yield
        said[key] = torch.cat(parts)
        if not bool(said[key].isfinite().all()):
            raise DivergedError("the output of the model", stage="attack", step=0, advice="lower lr")
    answers = answers_of(model, sample, said, size)
    return answers, scores_of(answers)


def groups(scores: Scores, threshold: float) -> dict[str, tuple[bool, np.ndarray]]:
    """Which images fall where at ``threshold``, the surest first: whether they are members, and their indices among those."""
    m, n = scores.members, scores.non_members
    hit, miss = np.flatnonzero(m >= threshold), np.flatnonzero(m < threshold)
    alarm, calm = np.flatnonzero(n >= threshold), np.flatnonzero(n < threshold)
    return {
        "right: forgotten, seen through": (True, hit[np.argsort(-m[hit], kind="stable")]),
        "right: unseen, dismissed": (False, calm[np.argsort(n[calm], kind="stable")]),
        "wrong: forgotten, missed": (True, miss[np.argsort(m[miss], kind="stable")]),
        "wrong: unseen, accused": (False, alarm[np.argsort(-n[alarm], kind="stable")]),
    }


def rates(scores: Scores, threshold: float) -> tuple[float, float]:
    """Share of members and of non-members at or above ``threshold``: TPR and FPR."""
    return float((scores.members >= threshold).mean()), float((scores.non_members >= threshold).mean())


def verdict(result: AttackResult) -> str:
    """What one attack says, beside the retrained models; never more than its interval allows."""
    if result.auc is None or result.low is None or result.high is None:
        return result.why or "There is no number."
    told = f"AUC {result.auc:.2f} (95 %: {result.low:.2f} to {result.high:.2f})."
    if not result.reference_aucs:
        return f"{told} No model has been retrained yet, so nobody knows what is normal here."
    low, high = min(result.reference_aucs), max(result.reference_aucs)
    k = len(result.reference_aucs)
    if k == 1:
        return f"{told} One retrained model has {low:.2f}: no band yet."
    theirs = f"{k} retrained models have {low:.2f} to {high:.2f}"
    if result.low > high:
        return f"{told} {theirs}: the attack sees more here than in models that never saw these images."
    if result.high < low:
        return f"{told} {theirs}: the attack sees less here than in retrained models, which is a trace, too."
    return f"{told} {theirs}: it cannot be told from them."
