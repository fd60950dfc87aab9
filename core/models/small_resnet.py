"""A small residual net for photographs on a CPU: about a third of the arithmetic of the Lab's ResNet-18."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from core.models.base import Net

LARGEST = (
    24  # pixels of the first block's features: larger images are halved, and halved again, on the way to it
)
CHANNELS = (32, 64, 96)


class SmallResNet(Net):
    """A 3x3 stem, three residual blocks of 32, 64 and 96 channels at falling size, a linear layer to the representation."""

    width = 128

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        c, h, w = shape
        halvings = 0
        while min(h, w) >> halvings > LARGEST:
            halvings += 1
        first, second, third = CHANNELS
        stem: list[nn.Module] = [
            nn.Conv2d(c, first, 3, 2 if halvings else 1, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            *(nn.MaxPool2d(2) for _ in range(1, halvings)),
        ]
        self.extractor = nn.Sequential(
            *stem,
            Residual(first, first),
            Residual(first, second, stride=2),
            Residual(second, third, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(third, self.width),
        )
        self.head = nn.Linear(self.width, classes)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., 2015, arXiv 1512.03385): y = relu(x' + f(x)); x' is x where shapes agree,
    else a 1x1 convolution of it."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = before == after and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps of x (B, C, H, W): the sum of both ways after a ReLU."""
        return functional.relu(self.shortcut(x) + self.inside(x))
