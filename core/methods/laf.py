"""Label-Agnostic Forgetting (arXiv 2404.00506): two VAEs on frozen representations, then L_UE and L_RA in turn.

No label is read anywhere in this file: ``start`` is handed images and rows, and nothing with a ``y``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core import losses, seeds
from core.batches import Batches
from core.config import LAFConfig
from core.data.split import Split, UnlabelledSplit
from core.errors import DivergedError
from core.models import Net, device_of
from core.records import Progress, Stage, Step
from core.training import adam, copy_of, load_optimiser
from core.vae import VAEFit

SLICE_S = 0.05


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


class LAF:
    """The method behind the Unlearner protocol."""

    name = "laf"
    title = "LAF"
    needs_labels = False
    changeable = ("epochs", "steps", "lr_ue", "lr_ra", "temperature", "bounded")

    def __init__(self, config: LAFConfig | None = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """The preset of (dataset, task), unless a config was given."""
        if self.config is None:
            self.config = LAFConfig.preset(split.dataset.family, split.task)

    def stages(self, split: UnlabelledSplit, config: LAFConfig) -> tuple[Stage, ...]:
        """h on D, h_f on D_f, then one step a pair of batches: the shorter of the two loaders decides."""
        n_r, n_f = len(split.remain_rows), len(split.forget_rows)

        def batches(n: int, size: int) -> int:
            return math.ceil(n / size)

        vae = config.vae
        pairs = min(batches(n_r, config.batch_size), batches(n_f, config.batch_size))
        return (
            Stage("vae", "VAE of D", vae.epochs * batches(n_r + n_f, vae.batch_size)),
            Stage("vae_f", "VAE of D_f", vae.epochs * batches(n_f, vae.batch_size)),
            Stage("unlearn", "unlearning", config.steps or config.epochs * pairs),
        )

    def start(self, model: Net, split: UnlabelledSplit, *, seed: int) -> LAFState:
        """Copies ``model`` twice: the frozen teacher and the model to unlearn. BatchNorm stays in eval mode throughout."""
        config = self.config
        assert config is not None
        device = device_of(model)
        split = split.to(device)
        original = copy_of(model).eval().requires_grad_(False)
        student = copy_of(model).eval()
        n, n_f, width = len(split.train), len(split.forget_rows), model.width
        extractor = list(student.extractor.parameters())
        return LAFState(
            original=original,
            model=student,
            split=split,
            representations=torch.empty(n, width, device=device),
            filled=0,
            vae=VAEFit.start(n, width, config.vae, device, seed=seed, stage="vae", title="VAE of D"),
            vae_f=VAEFit.start(n_f, width, config.vae, device, seed=seed, stage="vae_f", title="VAE of D_f"),
            optimiser_ue=adam(extractor, config.lr_ue, device),
            optimiser_ra=adam(extractor, config.lr_ra, device),
            remain=Batches(
                len(split.remain_rows), config.batch_size, seeds.derive(seed, "unlearn"), "remain"
            ),
            forget=Batches(n_f, config.batch_size, seeds.derive(seed, "unlearn"), "forget"),
            noise=seeds.generator(seed, "unlearn", "noise"),
        )

    def prepare(self, state: LAFState, config: LAFConfig) -> Progress | None:
        """Representations of D once, then h on all of D, then h_f on D_f."""
        start = time.perf_counter()
        if state.filled < len(state.representations):
            self._fill(state, start)
            state.vae.seconds += time.perf_counter() - start
            return Progress("vae", state.vae.number, state.vae.total, state.vae.seconds)
        for fit, rows in ((state.vae, None), (state.vae_f, state.split.forget_rows)):
            if fit.number < fit.total:
                e = state.representations if rows is None else state.representations[rows]
                fit.step(e)
                while fit.number < fit.total and time.perf_counter() - start < SLICE_S:
                    fit.step(e)
                fit.seconds += time.perf_counter() - start
                return Progress(fit.stage, fit.number, fit.total, fit.seconds)
        return None

    def _fill(self, state: LAFState, start: float, chunk: int = 1024) -> None:
        with torch.no_grad():
            while state.filled < len(state.representations):
                rows = slice(state.filled, state.filled + chunk)
                state.representations[rows] = state.original.extract(state.split.train.floats(rows))
                state.filled += chunk
                if time.perf_counter() - start > SLICE_S:
                    break

    def step(self, state: LAFState, config: LAFConfig) -> Step:
        """One pair of batches: a step on L_UE, then one on L_RA with fresh forward passes."""
        start = time.perf_counter()
        if state.number % state.steps_per_epoch == 0:
            state.remain.restart()
            state.forget.restart()
        split = state.split
        rows_r = split.remain_rows[state.remain.draw().to(split.remain_rows.device)]
        rows_f = split.forget_rows[state.forget.draw().to(split.forget_rows.device)]
        rows = torch.cat([rows_r, rows_f])
        x, e0, n_r = split.train.floats(rows), state.representations[rows], len(rows_r)
        state.number += 1

        e = state.model.extract(x)
        e_r, e_f = e[:n_r], e[n_r:]
        remain, forget = losses.extractor_unlearning_terms(
            e_r,
            state.vae.vae(e_r, state.noise)[0],
            e_f,
            state.vae_f.vae(e_f, state.noise)[0],
            bounded=config.bounded,
        )
        grad_ue = self._apply(state, remain - forget, state.optimiser_ue, config.lr_ue, "L_UE")

        e = state.model.extract(x)
        align, repel = losses.representation_alignment_terms(
            e[:n_r], e0[:n_r], e[n_r:], e0[n_r:], temperature=config.temperature
        )
        grad_ra = self._apply(state, align - repel, state.optimiser_ra, config.lr_ra, "L_RA")

        norm_ue, norm_ra = float(grad_ue.norm()), float(grad_ra.norm())
        finite = math.isfinite(norm_ue + norm_ra) and all(bool(p.isfinite().all()) for p in state.extractor)
        if not finite:
            raise DivergedError(
                "a weight or gradient", stage="unlearn", step=state.number, advice="lower lr_UE and lr_RA"
            )
        product = norm_ue * norm_ra
        terms = {"ue_remain": remain, "ue_forget": forget, "ra_align": align, "ra_repel": repel}
        values = {name: float(value.detach()) for name, value in terms.items()}
        values["ue"] = float((remain - forget).detach())
        values["ra"] = float((align - repel).detach())
        return Step(
            number=state.number,
            total=config.steps or config.epochs * state.steps_per_epoch,
            epoch=(state.number - 1) // state.steps_per_epoch + 1,
            stage="unlearn",
            losses=values,
            grad_norms={"ue": norm_ue, "ra": norm_ra},
            grad_cosine=float(grad_ue @ grad_ra) / product if product > 0 else None,
            images={"remain": n_r, "forget": len(rows_f)},
            seconds=time.perf_counter() - start,
        )

    def _apply(
        self, state: LAFState, loss: Tensor, optimiser: torch.optim.Adam, lr: float, name: str
    ) -> Tensor:
        """One optimiser step on ``loss``; the gradient over the extractor as one flat vector."""
        if not math.isfinite(float(loss.detach())):
            raise DivergedError(
                name, stage="unlearn", step=state.number, advice="lower lr_UE and lr_RA, or raise τ"
            )
        parameters = state.extractor
        for parameter in parameters:
            parameter.grad = None
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])

    def result(self, state: LAFState) -> Net:
        """The model as it stands."""
        return state.model
