"""Attacks on the Lab's model, the original and the retrained models, for the page Attack."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from core.data.split import Split
from core.errors import DivergedError
from core.evaluation.attacks.per_image import MAX_IMAGES as MOST_PER_IMAGE
from core.evaluation.attacks.per_image import PerImage, logits_of, per_image
from core.evaluation.attacks.result import AttackResult, Scores, attack_result
from core.evaluation.attacks.scores import ATTACKS, Answers
from core.evaluation.attacks.strongest import StrongestAttack, strongest_attack
from core.evaluation.measuring.measurements import answers_of, scores_of
from core.evaluation.measuring.sample import EvaluationSample
from core.experiments.session.experiment import Experiment
from core.models.base import Net, outputs
from core.runs.run import Phase, Run
from core.runtime.progress import Progress, Work
from dashboard.presentation.text.pages import attack as say
from dashboard.session.jobs.base import BackgroundJob

BATCH = 1000  # images in one slice of work


@dataclass(frozen=True, eq=False)
class AttackData:
    """The results of all attacks on one model; ``sample`` holds the images that were attacked."""

    step: int  # of the run
    steps: int
    references: int
    sample: EvaluationSample
    results: dict[str, AttackResult]  # by attack
    strongest: StrongestAttack | None  # of all attacks, with their number accounted for
    # set when at most 50 different images are forgotten and two models were retrained
    per_image: PerImage | None


@dataclass(frozen=True, eq=False)
class AttackedModel:
    """One model's answers to the sample, and the scores that each attack gives to them."""

    model: Net
    answers: Answers
    scores: dict[str, Scores | None]  # by attack


class AttackJob(BackgroundJob[AttackData]):
    """Attacks on the current model of the Lab. Answers of the original and of retrained models are kept between attacks."""

    def _reset(self) -> None:
        super()._reset()
        self._subject: tuple[Net, Split] | None = None  # the original model and the images
        self._last_key: object = None  # identifies the model that was attacked last
        self._sample: EvaluationSample | None = None
        # by id(model); the value holds the model, so that its id is not used again
        self._attacked: dict[int, AttackedModel] = {}

    def want(self, e: Experiment) -> None:
        """Attack the current model of ``e``, unless that is done or in progress, or the run is playing."""
        if e.run is None or e.model is None or e.split is None or self.busy or e.run.phase is Phase.RUNNING:
            return
        key = (id(e.run), e.life, len(e.run.steps), len(e.references))
        if key == self._last_key:
            return
        if self._subject is None or self._subject[0] is not e.model or self._subject[1] is not e.split:
            self.close()
            self._subject = (e.model, e.split)
        self._last_key = key
        self.start(self._attack_all(e, e.run, e.model, e.split), keep_result=True)

    def _attack_all(self, e: Experiment, run: Run, original: Net, split: Split) -> Work[AttackData]:
        references = [r.model for r in e.references]
        step, model = len(run.steps), run.result if run.steps else original
        if self._sample is None:
            yield Progress("attack", 0, len(references) + 2)
            self._sample = EvaluationSample(split, e.setup.seed)
        sample = self._sample
        before = yield from self._attack_once(original, sample)
        retrained = []
        for reference in references:
            retrained.append((yield from self._attack_once(reference, sample)))
        now = before if model is original else (yield from _attack_model(model, sample))
        results = {name: _result(name, now, before, retrained, sample) for name in ATTACKS}
        images = _per_image(now, before, retrained, sample, split)
        return AttackData(
            step, run.total_steps, len(references), sample, results, strongest_attack(results), images
        )

    def _attack_once(self, model: Net, sample: EvaluationSample) -> Work[AttackedModel]:
        """Attack ``model``, or return what an earlier attack on it found."""
        kept = self._attacked
        if id(model) not in kept:
            kept[id(model)] = yield from _attack_model(model, sample)
        return kept[id(model)]


def _result(
    name: str,
    now: AttackedModel,
    before: AttackedModel,
    retrained: list[AttackedModel],
    sample: EvaluationSample,
) -> AttackResult:
    references = [scores for one in retrained if (scores := one.scores[name]) is not None]
    members, unseen = len(sample.sets.members), len(sample.sets.non_members)
    return attack_result(name, now.scores[name], before.scores[name], references, members, unseen)


def _per_image(
    now: AttackedModel,
    before: AttackedModel,
    retrained: list[AttackedModel],
    sample: EvaluationSample,
    split: Split,
) -> PerImage | None:
    """Compare image by image, where there are few enough; else return None."""
    rows = sample.sets.members
    if not 0 < len(rows) <= MOST_PER_IMAGE:
        return None
    logits = [logits_of(one.answers.members, one.answers.members_y) for one in (now, before, *retrained)]
    return per_image(rows, split.train.ids.cpu()[rows], logits[0], logits[2:], logits[1:2])


def _attack_model(model: Net, sample: EvaluationSample) -> Generator[Progress, None, AttackedModel]:
    """Return the model's answers to the sample, one batch a slice, and their scores. Raises DivergedError."""
    split = sample.split
    said = {}
    for part, images, rows in (
        ("remain", split.train, sample.remain),
        ("forget", split.train, sample.forget),
        ("test", split.test, sample.test),
    ):
        parts = [torch.empty(0, len(split.dataset.classes))]
        for batch in torch.split(rows, BATCH):
            if len(batch):
                parts.append(outputs(model, images.take(batch), batch_size=BATCH).probabilities)
            yield Progress("attack", len(parts) - 1, -(-len(rows) // BATCH))
        said[part] = torch.cat(parts)
        if not bool(said[part].isfinite().all()):
            raise DivergedError(say.MODEL_OUTPUT, stage="attack", step=0, advice=say.LOWER_LR)
    answers = answers_of(model, sample, said, BATCH)
    return AttackedModel(model, answers, scores_of(answers))


def threshold_at(scores: Scores, share: float) -> float:
    """Return the highest threshold that at least ``share`` of all scores reach, in [0, 1]; for 0 one that none reaches."""
    both = np.sort(np.r_[scores.members, scores.non_members])[::-1]
    count = round(share * len(both))
    return float(both[count - 1] if count else np.nextafter(both[0], np.inf))


def groups(scores: Scores, threshold: float) -> dict[str, tuple[bool, np.ndarray]]:
    """Group the images by the attack's verdict at ``threshold``.

    Each group holds whether its images are members, and their indices among those, the surest first.
    """
    m, n = scores.members, scores.non_members
    hit, miss = np.flatnonzero(m >= threshold), np.flatnonzero(m < threshold)
    alarm, calm = np.flatnonzero(n >= threshold), np.flatnonzero(n < threshold)
    return {
        say.DETECTED: (True, hit[np.argsort(-m[hit], kind="stable")]),
        say.DISMISSED: (False, calm[np.argsort(n[calm], kind="stable")]),
        say.MISSED: (True, miss[np.argsort(m[miss], kind="stable")]),
        say.ACCUSED: (False, alarm[np.argsort(-n[alarm], kind="stable")]),
    }


def rates(scores: Scores, threshold: float) -> tuple[float, float]:
    """Return the shares of members (TPR) and of non-members (FPR) at or above ``threshold``."""
    return float((scores.members >= threshold).mean()), float((scores.non_members >= threshold).mean())


def verdict(result: AttackResult) -> str:
    """Say what one attack finds, compared with the retrained models. It claims no more than the interval allows."""
    if result.auc is None or result.low is None or result.high is None:
        return result.why or say.NO_NUMBER
    told = say.auc(result.auc, result.low, result.high)
    if not result.reference_aucs:
        return say.none_retrained(told)
    low, high = min(result.reference_aucs), max(result.reference_aucs)
    if len(result.reference_aucs) == 1:
        return say.one_retrained(told, low)
    assert result.band is not None
    band = (result.band.low, result.band.high)
    return say.beside_band(told, len(result.reference_aucs), (low, high), band, result.finding)
