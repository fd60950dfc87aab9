"""Networks built on torchvision's."""
