"""ResNet-18 on torchvision's trunk, for small and for enlarged images.

Imported only when such a net is built.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from core.models.base import Net

LARGE = 224  # pixels a side, the size for which ImageNet's nets are made
CHUNK = 64  # images enlarged at once when no gradient is needed; 1,000 take gigabytes


def _stem(channels: int, kernel: int) -> nn.Conv2d:
    """Return a first convolution of stride 2, initialised as torchvision initialises the others."""
    conv = nn.Conv2d(channels, 64, kernel, stride=2, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class ResNet18(Net):
    """torchvision's ResNet-18 for small images, with its last layer 512 -> 256 as the representation, and a linear head.

    The stem is a 3x3 convolution of stride 2, and the max-pool stays. An epoch takes half the time of one
    with stride 1, and after equal time the net is better (docs/performance.md).
    """

    width = 256

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        trunk = resnet18(num_classes=self.width)
        trunk.conv1 = _stem(shape[0], 3)
        self.extractor: nn.Module = trunk
        self.head = nn.Linear(self.width, classes)


class LargeResNet18(Net):
    """The paper's ResNet-18, with the original 7x7 stem, on images enlarged to 224x224 on their device."""

    width = 256

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        trunk = resnet18(num_classes=self.width)
        if shape[0] != 3:
            trunk.conv1 = _stem(shape[0], 7)
        self.extractor = Resized(trunk, LARGE)
        self.head = nn.Linear(self.width, classes)


class Resized(nn.Module):
    """The module ``body`` on images scaled (bilinear) to ``size`` x ``size``."""

    def __init__(self, body: nn.Module, size: int) -> None:
        super().__init__()
        self.body = body
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for images x (B, C, H, W), resized for the body; without gradients in parts, which bounds the memory."""
        if torch.is_grad_enabled():
            return self._run_body(x)
        return torch.cat([self._run_body(part) for part in torch.split(x, CHUNK)])

    def _run_body(self, x: Tensor) -> Tensor:
        larger = functional.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        e: Tensor = self.body(larger)
        return e
