"""Frames: how far their images to forget have turned."""

from __future__ import annotations

import numpy as np

from core.runs.records import Frame


def test_a_frame_reads_its_angles_once():
    angles, is_forget = np.array([1.0, 9.0, 5.0, 50.0]), np.array([False, True, True, True])
    frame = Frame(0, 0, None, None, None, None, None, None, angles, None, {})
    assert frame.turned(is_forget) == sorted([9.0, 5.0, 50.0])[1]
    object.__setattr__(frame, "angles", None)  # as where its file is gone
    assert frame.turned(is_forget) == 9.0
