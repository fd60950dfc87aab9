"""Random crops and mirror images of a whole batch at once, on its device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each of x (B, C, H, W) shifted by up to an eighth of its shorter side (4 pixels of 32), zeros coming in, and mirrored by chance.

    ``generator`` lies on the device of x. Zero is black, or the mean colour where the images are normalised.
    """
    n, c, h, w = x.shape
    pad = max(1, min(h, w) // 8)

    def draw(below: int) -> Tensor:
        return torch.randint(below, (n, 1), generator=generator, device=x.device)

    across = torch.arange(w, device=x.device)
    rows = draw(2 * pad + 1) + torch.arange(h, device=x.device)  # (B, H), of the padded image
    columns = draw(2 * pad + 1) + torch.where(draw(2) == 1, w - 1 - across, across)  # (B, W)
    padded = functional.pad(x, (pad, pad, pad, pad))
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(c, device=x.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
