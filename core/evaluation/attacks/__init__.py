"""Membership inference attacks, which guess whether a model was trained on an image.

``member_sets`` draws the images and ``scores`` scores them. ``roc``, ``power`` and ``result`` evaluate the scores.
``per_image`` tests few images one by one. ``frame_attack`` is the attack of every frame of a run.
"""

from core.evaluation.attacks.frame_attack import MIN_FOR_TPR, MIN_SCORED, AttackReport, attack
from core.evaluation.attacks.member_sets import MAX_FIT, AttackSets, draw_sets
from core.evaluation.attacks.roc import area_under_roc, auc_interval, tpr_at_fpr

__all__ = [
    "MAX_FIT",
    "MIN_FOR_TPR",
    "MIN_SCORED",
    "AttackReport",
    "AttackSets",
    "area_under_roc",
    "attack",
    "auc_interval",
    "draw_sets",
    "tpr_at_fpr",
]
