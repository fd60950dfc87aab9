"""LAF written from its formulas without optimisation: the baseline of every reported speed.

In-memory batches, and otherwise as one would write it down: the representation is computed anew for every batch of every epoch of the
VAEs, each step asks the teacher again and sends the two batches through the net apart, the VAEs collect unused gradients, two
Adams walk over all parameters, tensors lie in PyTorch's usual layout. It draws the same random numbers in the same order as the Lab's
own LAF, so that both can be compared step by step. It lives here and nowhere else; the product's code is core/methods/laf/laf.py.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks.machine import clock
from core.config import LAFConfig
from core.data.split import Split
from core.models.base import Net, device_of
from core.models.vae import VAE
from core.runtime import seeding
from core.training.batches import Batches


@dataclass
class Plain:
    """The result of a plain run: the unlearned model, both losses of each step, and the seconds of each stage: CPU seconds on a CPU."""

    model: nn.Module
    losses: list[tuple[float, float]] = field(default_factory=list)  # L_UE and L_RA, batch sums
    seconds: dict[str, float] = field(default_factory=dict)
    vae_batches: int = 0


def phi(m: Tensor) -> Tensor:
    return torch.exp(m / (m + 1))


def fit_vae(
    model: Net, x: Tensor, config: LAFConfig, *, seed: int, stage: str, most: int | None = None
) -> tuple[VAE, int]:
    """Train one VAE; return it and its number of batches, at most ``most``. The representation is computed anew for every batch."""
    vae = VAE.build(model.width, config.vae.latent, config.vae.output, seed=seed, name=stage).to(x.device)
    optimiser = torch.optim.Adam(vae.parameters(), lr=config.vae.lr)
    order = Batches(len(x), config.vae.batch_size, seeding.derive_seed(seed, stage), "order")
    noise = seeding.generator(seed, stage, "noise")
    count = min(most or 10**9, config.vae.epochs * len(order))
    for _ in range(count):
        with torch.no_grad():
            e = model.extract(x[order.draw()])
        e_hat, mu, log_var = vae(e, noise)
        kl = -0.5 * (log_var + 1 - mu**2 - log_var.exp()).sum() / len(e)
        loss = ((e_hat - e) ** 2).sum() / len(e) + config.vae.kl_weight * kl
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return vae.eval(), count


def plain_laf(
    model: Net,
    split: Split,
    config: LAFConfig,
    *,
    seed: int = 0,
    most_steps: int | None = None,
    most_batches: int | None = None,
) -> Plain:
    """Run LAF on ``split``; stop after ``most_steps`` pairs of batches, and each VAE after ``most_batches``, where given."""
    model = copy.deepcopy(model).eval()
    for p in model.parameters():
        p.data = p.data.clone(memory_format=torch.contiguous_format)
    x_all = split.train.floats(slice(None)).to(device_of(model))
    x_r, x_f = x_all[split.remain_rows], x_all[split.forget_rows]
    device = device_of(model)
    start = clock(device)
    h, taken = fit_vae(model, x_all, config, seed=seed, stage="vae", most=most_batches)
    h_f, taken_f = fit_vae(model, x_f, config, seed=seed, stage="vae_f", most=most_batches)
    now = clock(device)
    teacher, student = copy.deepcopy(model), copy.deepcopy(model)
    found = Plain(student, seconds={"vae": now - start}, vae_batches=taken + taken_f)
    ue = torch.optim.Adam(student.parameters(), lr=config.lr_ue)
    ra = torch.optim.Adam(student.parameters(), lr=config.lr_ra)
    order = seeding.derive_seed(seed, "unlearn")
    remain = Batches(len(x_r), config.batch_size, order, "remain")
    forget = Batches(len(x_f), config.batch_size, order, "forget")
    noise = seeding.generator(seed, "unlearn", "noise")
    pairs = min(len(remain), len(forget))
    for number in range(min(most_steps or 10**9, config.steps or config.epochs * pairs)):
        if number % pairs == 0:
            remain.restart()
            forget.restart()
        b_r, b_f = x_r[remain.draw()], x_f[forget.draw()]
        e_r, e_f = student.extract(b_r), student.extract(b_f)
        m_r = ((h(e_r, noise)[0] - e_r) ** 2).sum(1)
        m_f = ((h_f(e_f, noise)[0] - e_f) ** 2).sum(1)
        loss_ue = phi(m_r).sum() - phi(m_f).sum() if config.bounded else m_r.sum() - m_f.sum()
        ue.zero_grad()
        loss_ue.backward()
        ue.step()
        e_r, e_f = student.extract(b_r), student.extract(b_f)
        d_r = 1 - nn.functional.cosine_similarity(e_r, teacher.extract(b_r).detach())
        d_f = 1 - nn.functional.cosine_similarity(e_f, teacher.extract(b_f).detach())
        loss_ra = torch.log(torch.exp(d_r) / torch.exp(d_f / config.temperature).sum()).sum()
        ra.zero_grad()
        loss_ra.backward()
        ra.step()
        found.losses.append((loss_ue.item(), loss_ra.item()))
    found.seconds["unlearn"] = clock(device) - now
    return found
