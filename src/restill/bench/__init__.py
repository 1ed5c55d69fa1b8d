"""Measure the speed of models on this machine: ``restill bench``. No torch."""

from restill.bench.cases import Case, Plan, plan
from restill.bench.report import Report
from restill.bench.rounds import measure
from restill.bench.row import Row, Times

__all__ = ["Case", "Plan", "Report", "Row", "Times", "measure", "plan"]
