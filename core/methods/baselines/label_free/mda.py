"""Masked distillation with alignment (MDA): D_f learns the original's answers without those to forget, D_r keeps its directions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.errors import ConfigError
from core.methods.base import IMAGES_F, IMAGES_R
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, batches, optimiser
from core.methods.baselines.label_free import newcomer
from core.methods.laf.automatic.signals import answers_to_forget, struck
from core.methods.laf.automatic.votes import nearest
from core.methods.laf.losses import cosine_distance
from core.methods.step import SLICE_S, Stage, Step
from core.models.base import Net
from core.runtime import bounds
from core.runtime.bounds import Bound
from core.runtime.progress import Progress

TARGETS = ("struck", "neighbours")
ANSWER_BATCH = 512  # images of a pass that only answers
MOST_AMONG = 10_000  # images of D_r in which neighbours are searched
VOTERS = 20  # similar images of D_r whose answers are mixed into the struck ones
MOST_VALUES = 2**25  # pixel values of the images of D_r that are searched: 128 MiB
_BLOCK = 256  # images of D_f whose distances to D_r are in memory at once


@dataclass(frozen=True)
class MDAConfig(BaselineConfig):
    """Settings chosen on digits: Adam at 1e-3 on the extractor, at most 240 pairs of batches of 32 and 32."""

    epochs: int = 12  # over the shorter of D_f and D_r
    steps: int | None = 240  # more change little, on digits and on MNIST
    batch_size: int = 32  # of each half
    weight_align: float = 1.0
    weight_forget: float = 1.0
    # What D_f learns. "struck": the original's answers without those to forget.
    # "neighbours": the votes of the most similar images of D_r.
    target: str = "struck"
    # The original is too sure of its second answers on D_f, so others have a say in struck ones:
    newcomer: float = 0.5  # share of a net that learns D_r anew for a short while, where it has learnt D_r
    newcomer_epochs: int = 6
    votes: float = 0.0  # share of similar images' answers
    renew: float = (
        1.0  # of votes: the present model's share in them, which grows from 0 to this at the last step
    )
    sharpness: float = 2.0  # of votes: the power to which they are raised; above 1 a majority counts for more

    BOUNDS: ClassVar[dict[str, Bound]] = {
        **dict.fromkeys(("weight_align", "weight_forget"), bounds.WEIGHT),
        "votes": bounds.Bound(0, 1),
        "newcomer": bounds.Bound(0, 1),
        "newcomer_epochs": bounds.EPOCHS,
        "renew": bounds.Bound(0, 1),
        "sharpness": bounds.Bound(0, 100, above=True),
    }
    # Labels of noisy images are wrong, so neighbours vote on them. For a share of each class renewed votes drift away.
    FOR_TASK: ClassVar[dict[str, dict[str, Any]]] = {
        "noise": {"target": "neighbours", "lr": 3e-3, "epochs": 20},
        "data": {"target": "neighbours", "renew": 0.0, "sharpness": 1.0},
        "indices": {"target": "neighbours", "renew": 0.0, "sharpness": 1.0},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target not in TARGETS:
            raise ConfigError(f"target must be one of {', '.join(TARGETS)}, got {self.target!r}")
        if self.votes + self.newcomer > 1:
            raise ConfigError(
                f"votes and newcomer are shares of what D_f learns: together at most 1, got {self.votes:g} and {self.newcomer:g}"
            )


class MDA(Baseline):
    """Masked distillation with alignment. D_f learns the original's answers without those to forget; D_r keeps its directions."""

    name = "mda"
    title = "MDA, masked distillation with alignment"
    source = (
        "a variant of ours, after Zhou et al. 2025 (arXiv 2503.23751) and Shen et al. 2024 (arXiv 2404.00506)"
    )
    Config = MDAConfig
    needs_labels = False
    reads = (IMAGES_F, IMAGES_R)
    changeable = (
        "epochs",
        "steps",
        "lr",
        "weight_align",
        "weight_forget",
        "votes",
        "renew",
        "sharpness",
    )
    passes = 2.0
    advice: ClassVar[Mapping[str, str]] = {
        "Collapse": "Lower lr, or raise the weight of align.",
        "Stalled": "Raise lr or the weight of forget, or take more steps.",
        "Over-forgetting": "Stop earlier, or do nothing: for a share of each class the original is already near.",
        "One answer": "Raise the weight of forget, or take more steps.",
        "Conflict": "Lower the weight of align, or lower lr.",
    }

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """Start, and keep the seed of the newcomer."""
        state = super().start(model, split, seed=seed)
        state.fixed["seed"] = seed
        return state

    def epoch_steps(self, split: Split, config: MDAConfig) -> int:
        """Return the number of pairs of batches until the shorter of D_f and D_r ends."""
        return min(batches(rows, config.batch_size) for rows in (split.forget_rows, split.remain_rows))

    def optimiser(self, student: Net, config: MDAConfig, device: torch.device) -> torch.optim.Optimizer:
        """Return the optimiser of the extractor; the head stays as it is."""
        return optimiser(student.extractor.parameters(), config, device)

    def stages(self, split: Split, config: MDAConfig) -> tuple[Stage, ...]:
        """Return the stage in which the original answers on D, that of the newcomer where it has a share, then the steps."""
        before = [Stage("answers", "answers", -(-len(split.train) // ANSWER_BATCH))]
        if _asks_newcomer(config):
            images = len(_searched(split, newcomer.most_images(split.train)))
            before.append(newcomer.stage(images, config.newcomer_epochs))
        return (*before, *super().stages(split, config))

    def prepare(self, state: BaselineState, config: MDAConfig) -> Progress | None:
        """Let the original answer on some batches of D, then let a newcomer learn D_r; step 1 derives its targets from both."""
        answered = self._answer(state)
        if answered is None and _asks_newcomer(config) and "newcomer" not in state.extra:
            rows = _searched(state.split, newcomer.most_images(state.split.train))
            return newcomer.learn_anew(state, rows, config.newcomer_epochs)
        return answered

    def _answer(self, state: BaselineState) -> Progress | None:
        """Let the original answer on some batches of D; return None when it has answered on all."""
        extra, total = state.extra, len(state.split.train)
        if "probabilities" not in extra:
            extra |= {"probabilities": [], "seconds": 0.0}
        done = len(extra["probabilities"])
        if done * ANSWER_BATCH >= total:
            return None
        start = time.perf_counter()
        while done * ANSWER_BATCH < total:
            x = state.split.train.floats(slice(done * ANSWER_BATCH, (done + 1) * ANSWER_BATCH))
            with torch.no_grad():
                extra["probabilities"].append(state.original(x).softmax(1))
            done += 1
            if time.perf_counter() - start > SLICE_S:
                break
        extra["seconds"] += time.perf_counter() - start
        return Progress("answers", done, -(-total // ANSWER_BATCH), extra["seconds"])

    def update(self, state: BaselineState, config: MDAConfig) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one pair of minibatches."""
        for group in state.optimiser.param_groups:
            group["lr"] = config.lr
        learn = _material(state, config)
        remain = state.rows("remain")[1]
        places, forget = state.rows("forget")
        # two passes, so that each gradient goes back through its own half of the batch alone
        x_r, x_f = (state.split.train.floats(rows) for rows in (remain, forget))
        e_r, e_f = state.model.extract(x_r), state.model.extract(x_f)
        with torch.no_grad():
            e0 = state.original.extract(x_r)
        if config.target == "struck":
            new = config.newcomer * learn["trust"]
            target = (1 - config.votes - new) * learn["struck"][places]
            target += new * learn["newcomer"][places]
            if config.votes > 0:
                target += config.votes * _voted(state, learn)[places]
        else:
            renewed = config.renew * state.number / max(1, self.steps(state.split, config) - 1)
            target = _votes(state, learn, places, renewed, config.sharpness)
        align = cosine_distance(e_r, e0).sum()
        kl = functional.kl_div(state.model.classify(e_f).log_softmax(1), target, reduction="sum")
        norms, cosine = descend_both(state, config.weight_align * align, config.weight_forget * kl)
        state.fixed["of step"] = {
            "grad_cosine": cosine,
            "images": {"remain": len(remain), "forget": len(forget)},
        }
        return {"align": float(align.detach()), "forget_kl": float(kl.detach())}, norms

    def step(self, state: BaselineState, config: MDAConfig) -> Step:
        """Take a step and record the cosine of the two gradients beside its losses."""
        record = super().step(state, config)
        return replace(record, **state.fixed.pop("of step"))


def _material(state: BaselineState, config: MDAConfig) -> dict[str, Any]:
    """Return what D_f learns from, made once: answers (N_f, K) that are struck and voted, or neighbours (N_f, k) in D."""
    if "material" not in state.fixed:
        split, answers = state.split, torch.cat(state.extra["probabilities"])
        if config.target == "struck":
            before = answers[split.forget_rows]
            own_f, own_r = before.argmax(1), answers[split.remain_rows].argmax(1)
            gone = answers_to_forget(own_f, own_r, answers.shape[1], (1.0, 1.0))
            own = struck(before, gone)
            # a run kept before newcomers has none
            new, trust = state.extra.get("newcomer", own), state.extra.get("trust", 0.0)
            found = {"struck": own, "newcomer": struck(new, gone), "trust": trust, "gone": gone}
            state.fixed["material"] = found
        else:
            state.fixed["material"] = {"near": _neighbours(split), "answers": answers}
    material: dict[str, Any] = state.fixed["material"]
    return material


def _voted(state: BaselineState, learn: dict[str, Any]) -> Tensor:
    """Return the mean struck answers (N_f, K) of similar images of D_r, made once and only for a run in which they have a say."""
    if "voted" not in learn:
        answers = torch.cat(state.extra["probabilities"])
        learn["voted"] = struck(answers, learn["gone"])[similar(state.split)].mean(1)
    voted: Tensor = learn["voted"]
    return voted


def _asks_newcomer(config: MDAConfig) -> bool:
    """Return whether a newcomer has a share in what D_f learns."""
    return config.target == "struck" and config.newcomer > 0


def similar(split: Any, k: int = VOTERS) -> Tensor:
    """Return (N_f, k) rows of D: the images of D_r with the smallest Euclidean distance in pixels to each image of D_f."""
    pixels = split.train.x[0].numel()
    among = _searched(split, min(MOST_AMONG, max(k, MOST_VALUES // pixels)))
    there = split.train.floats(among).flatten(1)
    k = min(k, len(among))
    near = [
        torch.cdist(split.train.floats(rows).flatten(1), there).topk(k, dim=1, largest=False).indices
        for rows in torch.split(split.forget_rows, _BLOCK)
    ]
    rows: Tensor = among[torch.cat(near)]
    return rows


def _searched(split: Any, most: int = MOST_AMONG) -> Tensor:
    """Return the rows of D_r in which neighbours are searched, at most ``most``, evenly spread."""
    among: Tensor = split.remain_rows
    if len(among) > most:
        among = among[torch.linspace(0, len(among) - 1, most, device=among.device).long()]
    return among


def _neighbours(split: Any) -> Tensor:
    """Return (N_f, k) rows of D: the images of D_r that look most like each image of D_f."""
    among = _searched(split)
    near = nearest(split.train.take(split.forget_rows), split.train.take(among))
    rows: Tensor = among[near.to(among.device)]
    return rows


@torch.no_grad()
def _votes(
    state: BaselineState, learn: Mapping[str, Any], places: Tensor, renewed: float, sharpness: float
) -> Tensor:
    """Return (B, K) the votes for D_f at ``places``: its neighbours' answers, the present model's with the weight ``renewed``."""
    near = learn["near"][places]  # (B, k)
    votes = learn["answers"][near].mean(1)
    if renewed > 0:
        now = state.model(state.split.train.floats(near.flatten())).softmax(1)
        votes = (1 - renewed) * votes + renewed * now.reshape(*near.shape, -1).mean(1)
    return sharpened(votes, sharpness)


def sharpened(votes: Tensor, power: float) -> Tensor:
    """Return the rows of ``votes`` (B, K) raised to ``power`` and scaled to sum to 1."""
    raised = (votes / votes.amax(1, keepdim=True)) ** power
    return raised / raised.sum(1, keepdim=True)


def descend_both(
    state: BaselineState, first: Tensor, second: Tensor
) -> tuple[dict[str, float], float | None]:
    """Take one optimiser step down the sum of two losses (), of a graph each, and return the norm of each one's gradient and their cosine.

    The norms are named "align" and "forget"; the cosine is None where a gradient is 0.
    """
    learning = list(state.model.extractor.parameters())
    parts = []
    for loss in (first, second):
        grads = torch.autograd.grad(loss, learning, allow_unused=True)
        parts.append([torch.zeros_like(p) if g is None else g for p, g in zip(learning, grads, strict=True)])
    for p, a, b in zip(learning, *parts, strict=True):
        p.grad = a + b
    state.optimiser.step()
    flat = [torch.cat([g.flatten() for g in part]) for part in parts]
    norms = [float(g.norm()) for g in flat]
    product = norms[0] * norms[1]
    cosine = float(flat[0] @ flat[1]) / product if product > 0 else None
    return {"align": norms[0], "forget": norms[1]}, cosine
