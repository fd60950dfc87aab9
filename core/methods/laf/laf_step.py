"""One step of LAF: its state, its pair of batches, and the terms, gradients and moves of its two losses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core.config import LAFConfig
from core.data.split import UnlabelledSplit
from core.errors import DivergedError
from core.methods.laf.loss_gradients import alignment_gradient, squared_error_slope
from core.models import pooled_conv
from core.models.base import Net
from core.models.vae import gradients as vae_gradients
from core.training.batches import Batches
from core.training.flat_parameters import FlatParameters, FlatVector
from core.training.optimizer import FlatAdam
from core.training.vae_trainer import VAETrainer


@dataclass
class LAFState:
    """The state of a LAF run: the frozen original and its representations, two VAEs, and the model being unlearned."""

    original: Net
    model: Net
    split: UnlabelledSplit
    rows: Tensor  # (n,) of split.train, the images that the run reads
    remain_at: Tensor  # (n_r,) places of D_r in ``rows``
    forget_at: Tensor  # (n_f,) places of D_f in ``rows``
    representations: Tensor  # (n, width) of ``rows`` under the original
    filled: int  # rows of ``representations`` that are computed
    features: Tensor | None  # (n, in_features) inputs of ``layer``
    layer: nn.Linear | None  # the last layer of ``model`` where only that layer learns
    bf16: bool  # forward and backward pass of the extractor in bfloat16
    vae: VAETrainer  # h, on D
    vae_f: VAETrainer  # h_f, on D_f
    flat: FlatParameters  # the parameters that learn
    optimiser_ue: FlatAdam
    optimiser_ra: FlatAdam
    remain: Batches
    forget: Batches
    noise: torch.Generator
    number: int = 0
    gradients: dict[str, FlatVector] = field(default_factory=dict)  # reused at each step

    @property
    def learning(self) -> nn.Module:
        """The module that learns; neither loss has a gradient for the head."""
        return self.model.extractor if self.layer is None else self.layer

    @property
    def steps_per_epoch(self) -> int:
        """Pairs of batches in an epoch, which is a pass over the shorter of D_r and D_f."""
        return min(len(self.remain), len(self.forget))

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        return {
            "model": self.model.state_dict(),
            "vae": self.vae.state_dict(),
            "vae_f": self.vae_f.state_dict(),
            "optimiser_ue": self.optimiser_ue.state_dict(),
            "optimiser_ra": self.optimiser_ra.state_dict(),
            "remain": self.remain.state_dict(),
            "forget": self.forget.state_dict(),
            "noise": self.noise.get_state(),
            "number": self.number,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state. Representations are not part of it; ``prepare`` computes them again to the same bits."""
        self.model.load_state_dict(state["model"])
        for name in ("vae", "vae_f", "remain", "forget", "optimiser_ue", "optimiser_ra"):
            getattr(self, name).load_state_dict(state[name])
        self.noise.set_state(state["noise"])
        self.number = state["number"]

    def share_with(self, other: LAFState) -> None:
        """Share the representations with the fork ``other``, to save a forward pass over D. They are not written again."""
        other.representations, other.filled, other.features = self.representations, self.filled, self.features

    def extract(self, x: Tensor) -> Tensor:
        """Return the representations (B, width) float32 of a Batch's x under the model being unlearned."""
        if self.layer is not None:
            return torch.addmm(self.layer.bias, x, self.layer.weight.T)
        blocks = None if self.bf16 else pooled_conv.find_blocks(self.model.extractor, x)
        if blocks is not None:
            return pooled_conv.extract_blocks(blocks, x)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            return self.model.extract(x).float()


@dataclass(frozen=True, eq=False)
class Batch:
    """A pair of batches; the images of D_r come first."""

    x: Tensor  # (B_r + B_f, C, H, W); features (B_r + B_f, in_features) where only the last layer learns
    e0: Tensor  # (B_r + B_f, width) under the original
    n_r: int

    @classmethod
    def draw(cls, state: LAFState) -> Batch:
        """Draw the next pair of batches; an epoch ends with the shorter loader."""
        if state.number % state.steps_per_epoch == 0:
            state.remain.restart()
            state.forget.restart()
        at_r = state.remain_at[state.remain.draw().to(state.remain_at.device)]
        at_f = state.forget_at[state.forget.draw().to(state.forget_at.device)]
        at = torch.cat([at_r, at_f])
        x = state.split.train.floats(state.rows[at]) if state.features is None else state.features[at]
        return cls(x, state.representations[at], len(at_r))


def active_losses(state: LAFState, config: LAFConfig) -> str:
    """Return the losses that step ``state.number`` descends: "both", "ue", "ra" or "joint"."""
    if config.losses != "both":
        return config.losses
    if config.schedule == "two-stage":
        half = config.steps or config.epochs * state.steps_per_epoch
        return "ue" if state.number <= half else "ra"
    return "joint" if config.schedule == "joint" else "both"


@torch.no_grad()
def ue_slope(state: LAFState, e: Tensor, batch: Batch, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Return L_UE with its terms, and dL_UE/de (B_r + B_f, width) for representations e. Draws the VAEs' noise."""
    slope = torch.empty_like(e)
    sums = []
    halves = (slice(None, batch.n_r), slice(batch.n_r, None))
    trainers = (state.vae, state.vae_f)
    for part, trainer, weight in zip(
        halves, trainers, (config.weight_remain, -config.weight_forget), strict=True
    ):
        tape = vae_gradients.forward(trainer.vae, e[part], state.noise)
        value, to_hat = squared_error_slope(tape.e_hat - tape.e, bounded=config.bounded)
        sums.append(value.sum())
        slope[part] = vae_gradients.input_gradient(trainer.vae, tape, to_hat).sub_(to_hat).mul_(weight)
    remain, forget = sums
    loss = config.weight_remain * remain - config.weight_forget * forget
    return {"ue_remain": remain, "ue_forget": forget, "ue": loss}, slope


@torch.no_grad()
def ra_slope(state: LAFState, e: Tensor, batch: Batch, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Return L_RA with its terms, and dL_RA/de (B_r + B_f, width) for representations e."""
    align, repel, slope = alignment_gradient(
        e,
        batch.e0,
        batch.n_r,
        temperature=config.temperature,
        weight_align=config.weight_align,
        weight_repel=config.weight_repel,
    )
    loss = config.weight_align * align - config.weight_repel * repel
    return {"ra_align": align, "ra_repel": repel, "ra": loss}, slope


SLOPES = {"ue": ue_slope, "ra": ra_slope}


def gradients(
    state: LAFState, batch: Batch, config: LAFConfig, *losses: str
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Return the terms of ``losses`` ("ue", "ra") from one forward pass, and the gradient (P,) of each loss.

    The next call overwrites the gradient of the same loss. Raises DivergedError for a loss that is not finite.
    """
    with torch.set_grad_enabled(state.layer is None):
        e = state.extract(batch.x)
    terms: dict[str, float] = {}
    grads: dict[str, Tensor] = {}
    for loss in losses:
        named, slope = SLOPES[loss](state, e.detach(), batch, config)
        values = dict(zip(named, torch.stack([*named.values()]).tolist(), strict=True))
        if not math.isfinite(values[loss]):
            raise DivergedError(
                f"L_{loss.upper()}",
                stage="unlearn",
                step=state.number,
                advice="lower lr_UE and lr_RA, or raise τ",
            )
        into = state.gradients.setdefault(loss, state.flat.gradient())
        grads[loss] = into.put(_backward(state, batch, e, slope, keep=loss != losses[-1]))
        terms |= values
    return terms, grads


def _backward(
    state: LAFState, batch: Batch, e: Tensor, slope: Tensor, *, keep: bool
) -> tuple[Tensor | None, ...]:
    """Return the gradient of each parameter that learns, from dL/de."""
    if state.layer is not None:
        return slope.T @ batch.x, slope.sum(0)
    # A scalar whose gradient is ``slope``. With ``grad_outputs=slope``, autograd would import torch's compiler (0.5 s).
    return torch.autograd.grad((e * slope).sum(), state.flat.parameters, retain_graph=keep, allow_unused=True)


@torch.no_grad()
def descend(state: LAFState, along: FlatVector, optimiser: FlatAdam, lr: float) -> Tensor:
    """Take one optimiser step along a gradient and return the distance () that the parameters moved; nan for a weight that is nan."""
    before = state.flat.values.clone()
    optimiser.lr = lr
    optimiser.step(along)
    return torch.dist(state.flat.values, before)


def split_by_layer(state: LAFState, ue: Tensor, ra: Tensor) -> dict[str, dict[str, float | None]]:
    """Return the norms and the cosine of two flat gradients for each layer, in the order of the parameters."""
    learning = {id(p) for p in state.flat.parameters}
    spans: dict[str, list[slice]] = {}
    at = 0
    for name, parameter in state.model.extractor.named_parameters():
        if id(parameter) not in learning:
            continue
        spans.setdefault(name.rpartition(".")[0] or name, []).append(slice(at, at + parameter.numel()))
        at += parameter.numel()
    by_layer: dict[str, dict[str, float | None]] = {}
    for layer, parts in spans.items():
        a, b = (torch.cat([g[s] for s in parts]) for g in (ue, ra))
        product = float(a.norm() * b.norm())
        by_layer[layer] = {
            "ue": float(a.norm()),
            "ra": float(b.norm()),
            "cosine": float(a @ b) / product if product > 0 else None,
        }
    return by_layer
