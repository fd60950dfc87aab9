"""Studies: many runs over methods, settings, data and seeds, kept as they come, on all cores or on a Dask cluster."""

from core.studies.drive import Driven, predicted
from core.studies.estimate import Estimate
from core.studies.ready import ready_names, ready_study
from core.studies.spec import Study, parse_study, read_study
from core.studies.summary import MEASURES, best, counts, flat, groups, joined, pareto
from core.studies.table import (
    Table,
    is_running,
    kept_studies,
    kept_study,
    name_for,
    remove_study,
    share_study,
    study_claims,
)

__all__ = [
    "MEASURES", "Driven", "Estimate", "Study", "Table", "best", "counts", "flat", "groups", "is_running", "joined",
    "kept_studies", "kept_study", "name_for", "pareto", "parse_study", "predicted", "read_study", "ready_names", "ready_study",
    "remove_study", "share_study", "study_claims",
]  # fmt: skip
