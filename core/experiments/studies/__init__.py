"""Studies: many runs over methods, settings, data and seeds, on all cores or on a Dask cluster. Each row is kept at once."""

from core.experiments.studies.analysis import MEASURES, best, counts, flat, groups, joined, pareto
from core.experiments.studies.builtin import ready_names, ready_study
from core.experiments.studies.driver import StudyRun, predicted
from core.experiments.studies.results_table import (
    ResultsTable,
    is_running,
    kept_studies,
    kept_study,
    name_for,
    remove_study,
    share_study,
    study_claims,
)
from core.experiments.studies.runtime_estimate import Estimate
from core.experiments.studies.spec import Study
from core.experiments.studies.spec_parser import parse_study, read_study

__all__ = [
    "MEASURES",
    "Estimate",
    "ResultsTable",
    "Study",
    "StudyRun",
    "best",
    "counts",
    "flat",
    "groups",
    "is_running",
    "joined",
    "kept_studies",
    "kept_study",
    "name_for",
    "pareto",
    "parse_study",
    "predicted",
    "read_study",
    "ready_names",
    "ready_study",
    "remove_study",
    "share_study",
    "study_claims",
]
