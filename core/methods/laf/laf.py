"""Label-Agnostic Forgetting (arXiv 2404.00506): two VAEs on frozen representations, then L_UE and L_RA in turn.

Nothing in this file reads a label. ``start`` receives images and rows without a ``y``.
"""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import Tensor

from core.config import LAFConfig
from core.data.split import Split, UnlabelledSplit
from core.errors import DivergedError
from core.methods.base import IMAGES_F, IMAGES_R
from core.methods.laf.laf_step import Batch, LAFState, active_losses, descend, gradients, split_by_layer
from core.methods.laf.last_layer import features, last_layer
from core.methods.step import SLICE_S, Stage, Step
from core.models import pooled_conv
from core.models.base import Net, device_of
from core.runtime import seeding
from core.runtime.device import in_bfloat16
from core.runtime.progress import Progress
from core.training.batches import Batches
from core.training.flat_parameters import FlatParameters
from core.training.optimizer import FlatAdam
from core.training.supervised import copy_of
from core.training.vae_trainer import VAETrainer


class LAF:
    """Label-Agnostic Forgetting with two VAEs, h of D and h_f of D_f.

    L_UE makes h_f fail on the representations of D_f. L_RA holds those of D_r and pushes those of D_f away.
    """

    name = "laf"
    title = "LAF"
    needs_labels = False
    Config = LAFConfig
    reads = (IMAGES_F, IMAGES_R)
    changeable = (
        *("epochs", "steps", "lr_ue", "lr_ra", "temperature", "bounded", "schedule", "losses", "ue_per_ra"),
        *("weight_remain", "weight_forget", "weight_align", "weight_repel"),
    )

    def __init__(self, config: LAFConfig | None = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """Choose the preset of (dataset, task), unless the caller gave a config."""
        if self.config is None:
            self.config = LAFConfig.preset(split.dataset.family, split.task)

    def stages(self, split: UnlabelledSplit, config: LAFConfig) -> tuple[Stage, ...]:
        """Return the stages: h on D, h_f on D_f, then one step for each pair of batches; the shorter loader sets their number."""
        n_r, n_f = _image_counts(split, config)

        def batches(n: int, size: int) -> int:
            return math.ceil(n / size)

        vae = config.vae
        pairs = min(batches(n_r, config.batch_size), batches(n_f, config.batch_size))
        return (
            Stage(
                "vae",
                _vae_title(config),
                vae.epochs * batches(n_r + n_f * (config.vae_data == "all"), vae.batch_size),
            ),
            Stage("vae_f", "VAE of D_f", vae.epochs * batches(n_f, vae.batch_size)),
            Stage("unlearn", "unlearning", self._total_steps(pairs, config)),
        )

    def start(self, model: Net, split: UnlabelledSplit, *, seed: int) -> LAFState:
        """Copy ``model`` twice, as the frozen teacher and as the model to unlearn. BatchNorm stays in eval mode throughout."""
        config = self.config
        assert config is not None
        device = device_of(model)
        split = split.to(device)
        original = copy_of(model).eval().requires_grad_(False)
        student = copy_of(model).eval()
        rows, remain_at, forget_at = _draw_rows(split, config, seed)
        layer = last_layer(student, split.train.floats(rows[:2])) if config.learns == "last" else None
        if layer is None and not in_bfloat16(device, config.precision):
            pooled_conv.load_kernels(student.extractor, split.train.floats(rows[:2]))
        n, n_f, width = len(rows), len(forget_at), model.width
        flat = FlatParameters((layer or student.extractor).parameters())
        return LAFState(
            original=original,
            model=student,
            split=split,
            rows=rows,
            remain_at=remain_at,
            forget_at=forget_at,
            representations=torch.empty(n, width, device=device),
            filled=0,
            features=None if layer is None else torch.empty(n, layer.in_features, device=device),
            layer=layer,
            bf16=in_bfloat16(device, config.precision),
            vae=VAETrainer.start(
                n if config.vae_data == "all" else len(remain_at),
                width,
                config.vae,
                device,
                seed=seed,
                stage="vae",
                title=_vae_title(config),
            ),
            vae_f=VAETrainer.start(
                n_f, width, config.vae, device, seed=seed, stage="vae_f", title="VAE of D_f"
            ),
            flat=flat,
            optimiser_ue=FlatAdam(flat, config.lr_ue),
            optimiser_ra=FlatAdam(flat, config.lr_ra),
            remain=Batches(len(remain_at), config.batch_size, seeding.derive_seed(seed, "unlearn"), "remain"),
            forget=Batches(n_f, config.batch_size, seeding.derive_seed(seed, "unlearn"), "forget"),
            noise=seeding.generator(seed, "unlearn", "noise"),
        )

    def prepare(self, state: LAFState, config: LAFConfig) -> Progress | None:
        """Compute the representations of D once, then fit h on D (or on D_r, by ``vae_data``), then h_f on D_f."""
        start = time.perf_counter()
        if state.filled < len(state.representations):
            self._fill_representations(state, start)
            state.vae.seconds += time.perf_counter() - start
            return Progress(
                "vae", state.vae.number, state.vae.total, state.vae.seconds, tuple(state.vae.curve)
            )
        at_h = None if config.vae_data == "all" else state.remain_at
        for fit, at in ((state.vae, at_h), (state.vae_f, state.forget_at)):
            if fit.number < fit.total:
                fit.step(state.representations, at)
                while fit.number < fit.total and time.perf_counter() - start < SLICE_S:
                    fit.step(state.representations, at)
                fit.seconds += time.perf_counter() - start
                return Progress(fit.stage, fit.number, fit.total, fit.seconds, tuple(fit.curve))
        return None

    def _fill_representations(self, state: LAFState, start: float, chunk: int = 64) -> None:
        """Compute representations for one slice of time, in chunks whose activations fit a core's cache."""
        original, count = state.original, len(state.representations)
        layer = (
            None if state.features is None else last_layer(original, state.split.train.floats(state.rows[:2]))
        )
        with torch.no_grad(), torch.autocast(state.rows.device.type, torch.bfloat16, enabled=state.bf16):
            while state.filled < count and time.perf_counter() - start < SLICE_S:
                part = slice(state.filled, state.filled + chunk)
                x = state.split.train.floats(state.rows[part])
                if layer is None or state.features is None:
                    state.representations[part] = original.extract(x).float()
                else:
                    state.features[part] = features(original, layer, x).float()
                    state.representations[part] = layer(state.features[part]).float()
                state.filled += chunk

    def step(self, state: LAFState, config: LAFConfig) -> Step:
        """Take the steps on L_UE, then one on L_RA with a fresh forward pass, for one pair of batches.

        ``schedule`` and ``losses`` of the config choose other combinations.
        """
        start = time.perf_counter()
        batch = Batch.draw(state)
        state.number += 1
        terms, grads, moves = _descend_losses(state, batch, config)
        # one transfer from the device for all numbers
        dot = [grads["ue"] @ grads["ra"]] if len(grads) == 2 else []
        numbers = torch.stack([*(g.norm() for g in grads.values()), *moves.values(), *dot]).tolist()
        norms = dict(zip(grads, numbers, strict=False))
        moved = dict(zip(moves, numbers[len(grads) :], strict=False))
        if not math.isfinite(sum(numbers)):
            raise DivergedError(
                "a weight or gradient", stage="unlearn", step=state.number, advice="lower lr_UE and lr_RA"
            )
        product = norms.get("ue", 0.0) * norms.get("ra", 0.0)
        return Step(
            number=state.number,
            total=self._total_steps(state.steps_per_epoch, config),
            epoch=(state.number - 1) // state.steps_per_epoch + 1,
            stage="unlearn",
            losses=terms,
            grad_norms=norms,
            grad_cosine=numbers[-1] / product if product > 0 else None,
            images={"remain": batch.n_r, "forget": len(batch.x) - batch.n_r},
            moves=moved,
            seconds=time.perf_counter() - start,
        )

    def by_layer(self, state: LAFState, config: LAFConfig) -> dict[str, dict[str, float | None]]:
        """Return the norms of both gradients and their cosine for each layer, by name of the parameter's module.

        The batches and the noise are those of the next step, which is not taken.
        Returns {"0": {"ue": norm, "ra": norm, "cosine": in [-1, 1], None where one norm is 0}}.
        """
        loaders = (state.remain, state.forget)
        loader_states, noise_state = [copy.deepcopy(b.state_dict()) for b in loaders], state.noise.get_state()
        try:
            batch = Batch.draw(state)
            grads = gradients(state, batch, config, "ue", "ra")[1]
        finally:
            for loader, saved in zip(loaders, loader_states, strict=True):
                loader.load_state_dict(saved)
            state.noise.set_state(noise_state)
        return split_by_layer(state, grads["ue"], grads["ra"])

    def _total_steps(self, pairs: int, config: LAFConfig) -> int:
        """Return the steps of the run; the two-stage schedule takes them once for each loss."""
        return (config.steps or config.epochs * pairs) * (2 if config.schedule == "two-stage" else 1)

    def result(self, state: LAFState) -> Net:
        """Return the model being unlearned; not a copy."""
        return state.model


def _descend_losses(
    state: LAFState, batch: Batch, config: LAFConfig
) -> tuple[dict[str, float], dict[str, Tensor], dict[str, Tensor]]:
    """Descend the losses of this step on ``batch``; return their terms, their gradients (P,) and the lengths () of the moves."""
    mode = active_losses(state, config)
    grads: dict[str, Tensor] = {}
    terms: dict[str, float] = {}
    moves: dict[str, Tensor] = {}
    if mode == "joint":
        terms, grads = gradients(state, batch, config, "ue", "ra")
        both = state.gradients.setdefault("joint", state.flat.gradient())
        torch.add(grads["ue"], grads["ra"], out=both.values)
        moves["joint"] = descend(state, both, state.optimiser_ra, config.lr_ra)
    plan = {
        "ue": (config.ue_per_ra, state.optimiser_ue, config.lr_ue),
        "ra": (1, state.optimiser_ra, config.lr_ra),
    }
    for loss in ("ue", "ra"):
        if mode not in ("both", loss):
            continue
        times, optimiser, lr = plan[loss]
        for _ in range(times):
            loss_terms, loss_grads = gradients(state, batch, config, loss)
            moves[loss] = descend(state, state.gradients[loss], optimiser, lr)
        grads |= loss_grads
        terms |= loss_terms
    return terms, grads, moves


def _vae_title(config: LAFConfig) -> str:
    return "VAE of D" if config.vae_data == "all" else "VAE of D_r"


def _image_counts(split: UnlabelledSplit, config: LAFConfig) -> tuple[int, int]:
    """Return the number of images of D_r and of D_f that the run reads."""
    n_r, n_f = len(split.remain_rows), len(split.forget_rows)
    return min(n_r, config.most_remain or n_r), min(n_f, config.most_forget or n_f)


def _draw_rows(split: UnlabelledSplit, config: LAFConfig, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows to read (n,) and the places of D_r and of D_f among them: all of D, or a random part of each set."""
    counts = _image_counts(split, config)
    parts = (split.remain_rows, split.forget_rows)
    if counts == tuple(len(p) for p in parts):
        return torch.arange(len(split.train), device=split.remain_rows.device), *parts
    generator = seeding.generator(seed, "laf", "read")
    chosen = [
        p[torch.randperm(len(p), generator=generator)[:n].to(p.device)]
        for p, n in zip(parts, counts, strict=True)
    ]
    rows = torch.cat(chosen).sort().values
    remain_at, forget_at = (torch.searchsorted(rows, part) for part in chosen)
    return rows, remain_at, forget_at
