"""Labelled notes against predictions: every figure of the field, with intervals, and the errors themselves."""

from __future__ import annotations

from detect_icd10cm.evaluation.files import evaluate_files, predict, write_json
from detect_icd10cm.evaluation.html import render_html, write_html
from detect_icd10cm.evaluation.measure import evaluate
from detect_icd10cm.evaluation.predictions import Predictions, read_predictions
from detect_icd10cm.evaluation.results import Evaluation
from detect_icd10cm.evaluation.targets import check_targets
from detect_icd10cm.evaluation.terminal import print_evaluation

__all__ = [
    "Evaluation",
    "Predictions",
    "check_targets",
    "evaluate",
    "evaluate_files",
    "predict",
    "print_evaluation",
    "read_predictions",
    "render_html",
    "write_html",
    "write_json",
]
