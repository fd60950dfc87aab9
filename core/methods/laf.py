"""Label-Agnostic Forgetting (arXiv 2404.00506): two VAEs on frozen representations, then L_UE and L_RA in turn.

No label is read anywhere in this file: ``start`` is handed images and rows, and nothing with a ``y``.
"""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import Tensor

from core import seeds
from core.batches import Batches
from core.config import LAFConfig
from core.data.split import Split, UnlabelledSplit
from core.errors import DivergedError
from core.methods.laf_step import (
    Batch,
    LAFState,
    descend,
    joint_gradients,
    ra_gradient,
    split_by_layer,
    stepped,
    ue_gradient,
)
from core.models import Net, device_of
from core.records import Progress, Stage, Step
from core.training import adam, copy_of
from core.vae import VAEFit

SLICE_S = 0.05


class LAF:
    """The method behind the Unlearner protocol."""

    name = "laf"
    title = "LAF"
    needs_labels = False
    changeable = (
        "epochs", "steps", "lr_ue", "lr_ra", "temperature", "bounded", "schedule", "losses", "ue_per_ra",
        "weight_remain", "weight_forget", "weight_align", "weight_repel",
    )  # fmt: skip

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
            Stage("unlearn", "unlearning", self._total(pairs, config)),
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
            return Progress(
                "vae", state.vae.number, state.vae.total, state.vae.seconds, tuple(state.vae.curve)
            )
        for fit, rows in ((state.vae, None), (state.vae_f, state.split.forget_rows)):
            if fit.number < fit.total:
                e = state.representations if rows is None else state.representations[rows]
                fit.step(e)
                while fit.number < fit.total and time.perf_counter() - start < SLICE_S:
                    fit.step(e)
                fit.seconds += time.perf_counter() - start
                return Progress(fit.stage, fit.number, fit.total, fit.seconds, tuple(fit.curve))
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
        """One pair of batches: steps on L_UE, then one on L_RA with a fresh forward pass; or as schedule and losses say."""
        start = time.perf_counter()
        batch = Batch.draw(state)
        state.number += 1
        what = stepped(state, config)
        grads: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        moves: dict[str, float] = {}
        if what == "joint":
            terms, grads["ue"], grads["ra"] = joint_gradients(state, batch, config)
            move = descend(state, grads["ue"] + grads["ra"], state.optimiser_ra, config.lr_ra)
            moves["joint"] = move
        if what in ("both", "ue"):
            for _ in range(config.ue_per_ra):
                found, grads["ue"] = ue_gradient(state, batch, config)
                moves["ue"] = descend(state, grads["ue"], state.optimiser_ue, config.lr_ue)
                terms |= found
        if what in ("both", "ra"):
            found, grads["ra"] = ra_gradient(state, batch, config)
            moves["ra"] = descend(state, grads["ra"], state.optimiser_ra, config.lr_ra)
            terms |= found
        norms = {name: float(g.norm()) for name, g in grads.items()}
        finite = math.isfinite(sum(norms.values()) + sum(moves.values()))
        if not finite:
            raise DivergedError(
                "a weight or gradient", stage="unlearn", step=state.number, advice="lower lr_UE and lr_RA"
            )
        product = norms.get("ue", 0.0) * norms.get("ra", 0.0)
        return Step(
            number=state.number,
            total=self._total(state.steps_per_epoch, config),
            epoch=(state.number - 1) // state.steps_per_epoch + 1,
            stage="unlearn",
            losses={name: float(value.detach()) for name, value in terms.items()},
            grad_norms=norms,
            grad_cosine=float(grads["ue"] @ grads["ra"]) / product if product > 0 else None,
            images={"remain": batch.n_r, "forget": len(batch.x) - batch.n_r},
            moves=moves,
            seconds=time.perf_counter() - start,
        )

    def by_layer(self, state: LAFState, config: LAFConfig) -> dict[str, dict[str, float | None]]:
        """Norms of both gradients and their cosine for each layer, on the batches and noise of the next step, which is not taken.

        By name of the parameter's module: {"0": {"ue": …, "ra": …, "cosine": … in [-1, 1], None where one is zero}}.
        """
        loaders = (state.remain, state.forget)
        kept = [copy.deepcopy(b.state_dict()) for b in loaders], state.noise.get_state()
        try:
            batch = Batch.draw(state)
            _, ue = ue_gradient(state, batch, config)
            _, ra = ra_gradient(state, batch, config)
        finally:
            for loader, saved in zip(loaders, kept[0], strict=True):
                loader.load_state_dict(saved)
            state.noise.set_state(kept[1])
        return split_by_layer(state, ue, ra)

    def _total(self, pairs: int, config: LAFConfig) -> int:
        """Steps in all; two stages take as many of each kind as the others."""
        return (config.steps or config.epochs * pairs) * (2 if config.schedule == "two-stage" else 1)

    def result(self, state: LAFState) -> Net:
        """The model as it stands."""
        return state.model
