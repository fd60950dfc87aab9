"""The machine that the numbers were measured on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import torch


def clock(device: torch.device) -> float:
    """Return the time in seconds once ``device`` has done its work; for the CPU the CPU seconds of this thread."""
    if device.type == "cpu":
        return time.thread_time()
    (
        torch.cuda if device.type == "cuda" else torch.mps
    ).synchronize()  # torch.accelerator is younger than some installations
    return time.perf_counter()


def machine() -> str:
    """Return the processor's name, the number of cores of this process, and the system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}"
