"""Random crops and mirror images of a whole batch on its device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(x: Tensor, generator: torch.Generator, *, mirrors: bool = True) -> Tensor:
    """Return images x (B, C, H, W), each shifted at random by up to an eighth of its shorter side, and mirrored at random if ``mirrors``.

    Zeros fill the border; zero is black, or the mean colour when images are normalised. ``generator`` is on the device of x.
    """
    n, c, h, w = x.shape
    pad = max(1, min(h, w) // 8)

    def draw(below: int) -> Tensor:
        """Return random whole numbers (B, 1) in [0, below)."""
        return torch.randint(below, (n, 1), generator=generator, device=x.device)

    across = torch.arange(w, device=x.device)
    rows = draw(2 * pad + 1) + torch.arange(h, device=x.device)  # (B, H) in the padded image
    shifts = draw(2 * pad + 1)
    columns = shifts + (torch.where(draw(2) == 1, w - 1 - across, across) if mirrors else across)  # (B, W)
    padded = functional.pad(x, (pad, pad, pad, pad))
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(c, device=x.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
