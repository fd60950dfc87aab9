"""Independent random streams from one seed, so that no stage can disturb another and nothing global is touched."""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream called ``names`` of the run seeded ``seed``; the same on every machine."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh local generator for one stream."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))
