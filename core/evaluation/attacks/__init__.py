"""Membership inference: was this image trained on? ``sets`` says who plays which part, ``scores`` what is scored, ``roc`` and
``power`` what that shows, ``per_image`` what can be said of a few images; ``frame`` is the attack of every frame of the Lab.
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
