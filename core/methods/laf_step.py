"""What one step of LAF is made of: its state, a pair of batches, the two losses with their terms, gradients and moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core import losses
from core.batches import Batches
from core.config import LAFConfig
from core.data.split import UnlabelledSplit
from core.errors import DivergedError
from core.models import Net
from core.training import load_optimiser
from core.vae import VAEFit


@dataclass
class LAFState:
    """All of a LAF run: the frozen original and what it says, two VAEs, the model being unlearned."""

    original: Net
    model: Net
    split: UnlabelledSplit
    representations: Tensor  # (N, width) of D under the original; filled in slices
    filled: int
    vae: VAEFit  # h, on D
    vae_f: VAEFit  # h_f, on D_f
    optimiser_ue: torch.optim.Adam
    optimiser_ra: torch.optim.Adam
    remain: Batches
    forget: Batches
    noise: torch.Generator
    number: int = 0

    @property
    def extractor(self) -> list[Tensor]:
        """The parameters that the two losses reach; the head's receive no gradient from either."""
        return list(self.model.extractor.parameters())

    @property
    def steps_per_epoch(self) -> int:
        """Pairs of batches: the shorter of the two loaders decides."""
        return min(len(self.remain), len(self.forget))

    def state_dict(self) -> dict[str, Any]:
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
        """The original's representations are not kept: they are computed again, to the same bits."""
        self.model.load_state_dict(state["model"])
        for name in ("vae", "vae_f", "remain", "forget"):
            getattr(self, name).load_state_dict(state[name])
        for name in ("optimiser_ue", "optimiser_ra"):
            load_optimiser(getattr(self, name), state[name])
        self.noise.set_state(state["noise"])
        self.number = state["number"]

    def share_with(self, other: LAFState) -> None:
        """Spare a fork the forward pass over all of D; nobody writes to it once it is filled."""
        other.representations, other.filled = self.representations, self.filled


@dataclass(frozen=True, eq=False)
class Batch:
    """A pair of batches, D_r's images first."""

    x: Tensor  # (B_r + B_f, C, H, W)
    e0: Tensor  # (B_r + B_f, width) under the original
    n_r: int

    @classmethod
    def draw(cls, state: LAFState) -> Batch:
        """The next pair; an epoch ends where the shorter of the two loaders does."""
        if state.number % state.steps_per_epoch == 0:
            state.remain.restart()
            state.forget.restart()
        split = state.split
        rows_r = split.remain_rows[state.remain.draw().to(split.remain_rows.device)]
        rows_f = split.forget_rows[state.forget.draw().to(split.forget_rows.device)]
        rows = torch.cat([rows_r, rows_f])
        return cls(split.train.floats(rows), state.representations[rows], len(rows_r))


def stepped(state: LAFState, config: LAFConfig) -> str:
    """Which losses this step (number ``state.number``) is on: "both", "ue", "ra" or "joint"."""
    if config.losses != "both":
        return config.losses
    if config.schedule == "two-stage":
        half = config.steps or config.epochs * state.steps_per_epoch
        return "ue" if state.number <= half else "ra"
    return "joint" if config.schedule == "joint" else "both"


def ue_terms(state: LAFState, e: Tensor, n_r: int, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """L_UE and its terms for representations e (B_r + B_f, width); draws the VAEs' noise."""
    e_r, e_f = e[:n_r], e[n_r:]
    remain, forget = losses.extractor_unlearning_terms(
        e_r,
        state.vae.vae(e_r, state.noise)[0],
        e_f,
        state.vae_f.vae(e_f, state.noise)[0],
        bounded=config.bounded,
    )
    loss = config.weight_remain * remain - config.weight_forget * forget
    return {"ue_remain": remain, "ue_forget": forget, "ue": loss}, loss


def ra_terms(e: Tensor, e0: Tensor, n_r: int, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """L_RA and its terms."""
    align, repel = losses.representation_alignment_terms(
        e[:n_r], e0[:n_r], e[n_r:], e0[n_r:], temperature=config.temperature
    )
    loss = config.weight_align * align - config.weight_repel * repel
    return {"ra_align": align, "ra_repel": repel, "ra": loss}, loss


def ue_gradient(state: LAFState, batch: Batch, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Terms of L_UE, and its gradient over the extractor as one flat vector."""
    terms, loss = ue_terms(state, state.model.extract(batch.x), batch.n_r, config)
    return terms, _gradient(state, loss, "L_UE")


def ra_gradient(state: LAFState, batch: Batch, config: LAFConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Terms of L_RA, and its gradient over the extractor as one flat vector."""
    terms, loss = ra_terms(state.model.extract(batch.x), batch.e0, batch.n_r, config)
    return terms, _gradient(state, loss, "L_RA")


def joint_gradients(
    state: LAFState, batch: Batch, config: LAFConfig
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Terms of both losses from one forward pass, and their gradients."""
    e = state.model.extract(batch.x)
    ue, loss_ue = ue_terms(state, e, batch.n_r, config)
    ra, loss_ra = ra_terms(e, batch.e0, batch.n_r, config)
    first = _gradient(state, loss_ue, "L_UE", keep=True)
    return {**ue, **ra}, first, _gradient(state, loss_ra, "L_RA")


def _gradient(state: LAFState, loss: Tensor, name: str, *, keep: bool = False) -> Tensor:
    if not math.isfinite(float(loss.detach())):
        raise DivergedError(
            name, stage="unlearn", step=state.number, advice="lower lr_UE and lr_RA, or raise τ"
        )
    found = torch.autograd.grad(loss, state.extractor, retain_graph=keep, allow_unused=True)
    parts = [torch.zeros_like(p) if g is None else g for p, g in zip(state.extractor, found, strict=True)]
    return torch.cat([g.flatten() for g in parts])


def descend(state: LAFState, gradient: Tensor, optimiser: torch.optim.Adam, lr: float) -> float:
    """One optimiser step along ``gradient``; how far it moved the parameters. nan where a weight is no number."""
    at = 0
    before = torch.cat([p.detach().flatten() for p in state.extractor])
    for parameter in state.extractor:
        n = parameter.numel()
        # laid out as its parameter: fused Adam walks the memory of both side by side
        parameter.grad = torch.empty_like(parameter).copy_(gradient[at : at + n].view(parameter.shape))
        at += n
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.step()
    after = torch.cat([p.detach().flatten() for p in state.extractor])
    return float((after - before).norm())


def split_by_layer(state: LAFState, ue: Tensor, ra: Tensor) -> dict[str, dict[str, float | None]]:
    """Norms and cosine of two flat gradients, layer by layer, in the order of the parameters."""
    spans: dict[str, list[slice]] = {}
    at = 0
    for name, parameter in state.model.extractor.named_parameters():
        spans.setdefault(name.rpartition(".")[0] or name, []).append(slice(at, at + parameter.numel()))
        at += parameter.numel()
    found: dict[str, dict[str, float | None]] = {}
    for layer, parts in spans.items():
        a, b = (torch.cat([g[s] for s in parts]) for g in (ue, ra))
        product = float(a.norm() * b.norm())
        found[layer] = {
            "ue": float(a.norm()),
            "ra": float(b.norm()),
            "cosine": float(a @ b) / product if product > 0 else None,
        }
    return found
