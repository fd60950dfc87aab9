"""LAF written straight from its formulas, with nothing made faster: the yardstick that step costs are measured against.

Each step recomputes the teacher, forwards the two batches apart, and lets two Adams walk over all parameters. It lives here
and nowhere else; the product's own code is core/methods/laf.py.
"""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

from core.config import LAFConfig
from core.data.split import Split
from core.models import Net
from core.vae import VAE


def phi(m: torch.Tensor) -> torch.Tensor:
    return torch.exp(m / (m + 1))


def fit_vae(model: Net, x: torch.Tensor, config: LAFConfig, generator: torch.Generator) -> VAE:
    """One VAE; the representation is computed anew for every batch of every epoch."""
    vae = VAE(model.width, config.vae.latent, config.vae.output)
    optimiser = torch.optim.Adam(vae.parameters(), lr=config.vae.lr)
    for _ in range(config.vae.epochs):
        for rows in torch.randperm(len(x), generator=generator).split(config.vae.batch_size):
            with torch.no_grad():
                e = model.extract(x[rows])
            e_hat, mu, log_var = vae(e, generator)
            kl = -0.5 * (log_var + 1 - mu**2 - log_var.exp()).sum() / len(e)
            loss = ((e_hat - e) ** 2).sum() / len(e) + config.vae.kl_weight * kl
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return vae.eval()


def plain_laf(
    model: Net,
    split: Split,
    config: LAFConfig,
    *,
    seed: int = 0,
    most_steps: int | None = None,
    vae_epochs: int | None = None,
) -> tuple[nn.Module, dict[str, float]]:
    """The unlearned model, and seconds and steps of each stage; stops after ``most_steps`` pairs of batches where given."""
    generator = torch.Generator().manual_seed(seed)
    x_all = split.train.x.float() / split.train.white
    x_r, x_f = x_all[split.remain_rows], x_all[split.forget_rows]
    start = time.perf_counter()
    if vae_epochs is not None:
        config = LAFConfig(
            **{**config.__dict__, "vae": type(config.vae)(**{**config.vae.__dict__, "epochs": vae_epochs})}
        )
    h, h_f = fit_vae(model, x_all, config, generator), fit_vae(model, x_f, config, generator)
    seconds = {"vae": time.perf_counter() - start}
    start, steps = time.perf_counter(), 0
    teacher, student = copy.deepcopy(model).eval(), copy.deepcopy(model).eval()
    ue = torch.optim.Adam(student.parameters(), lr=config.lr_ue)
    ra = torch.optim.Adam(student.parameters(), lr=config.lr_ra)
    for _ in range(config.epochs):
        batches_r = torch.randperm(len(x_r), generator=generator).split(config.batch_size)
        batches_f = torch.randperm(len(x_f), generator=generator).split(config.batch_size)
        for rows_r, rows_f in zip(batches_r, batches_f, strict=False):
            b_r, b_f = x_r[rows_r], x_f[rows_f]
            e_r, e_f = student.extract(b_r), student.extract(b_f)
            m_r = ((h(e_r, generator)[0] - e_r) ** 2).sum(1)
            m_f = ((h_f(e_f, generator)[0] - e_f) ** 2).sum(1)
            ue.zero_grad()
            (phi(m_r).sum() - phi(m_f).sum()).backward()
            ue.step()
            e_r, e_f = student.extract(b_r), student.extract(b_f)
            d_r = 1 - nn.functional.cosine_similarity(e_r, teacher.extract(b_r).detach())
            d_f = 1 - nn.functional.cosine_similarity(e_f, teacher.extract(b_f).detach())
            ra.zero_grad()
            torch.log(torch.exp(d_r) / torch.exp(d_f / config.temperature).sum()).sum().backward()
            ra.step()
            steps += 1
            if steps == most_steps:
                break
        if steps == most_steps:
            break
    seconds["unlearn"] = time.perf_counter() - start
    return student, {**seconds, "steps": steps}
