"""Colours of the charts, each legible on the dark and on the light page; a colour means one thing in all of them."""

from __future__ import annotations

FORGET = "#d9690f"
REMAIN = "#2f7fdc"
RETRAINED = "#8d70dd"
NEUTRAL = "#7b87a0"  # the original, unseen images and test images: none of the roles above
NOW = "#4f7cf0"
