"""ResNet-18 on torchvision's trunk, and seeing small images large. Imported only when such a net is built."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from core.models.base import Net

LARGE = 224  # pixels: what ImageNet's nets are made for
CHUNK = 64  # images that are enlarged at once where no gradient is needed: 1,000 of them would take gigabytes


def _stem(channels: int, kernel: int) -> nn.Conv2d:
    """A first convolution of stride 2, initialised as torchvision initialises the others."""
    conv = nn.Conv2d(channels, 64, kernel, stride=2, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class ResNet18(Net):
    """torchvision's ResNet-18 with its last layer 512 -> 256 as the representation, and a linear head.

    The stem for small images is a 3x3 convolution of stride 2, and the max-pool stays: an epoch costs half of one with
    stride 1, and at equal time the net is better (docs/performance.md).
    """

    width = 256

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        trunk = resnet18(num_classes=self.width)
        trunk.conv1 = _stem(shape[0], 3)
        self.extractor: nn.Module = trunk
        self.head = nn.Linear(self.width, classes)


class LargeResNet18(Net):
    """The paper's: images enlarged to 224x224 on their device, the original 7x7 stem."""

    width = 256

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        trunk = resnet18(num_classes=self.width)
        if shape[0] != 3:
            trunk.conv1 = _stem(shape[0], 7)
        self.extractor = Resized(trunk, LARGE)
        self.head = nn.Linear(self.width, classes)


class Resized(nn.Module):
    """``body`` on images scaled (bilinear) to ``size`` x ``size``."""

    def __init__(self, body: nn.Module, size: int) -> None:
        super().__init__()
        self.body = body
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self._see(x)
        return torch.cat([self._see(part) for part in torch.split(x, CHUNK)])

    def _see(self, x: Tensor) -> Tensor:
        larger = functional.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        e: Tensor = self.body(larger)
        return e
