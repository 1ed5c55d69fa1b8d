"""Measure the speed of models on this machine: ``restill bench``. No torch."""

from restill.bench.cases import Case, Plan, plan
from restill.bench.report import Report, Row, Times
from restill.bench.rounds import measure

__all__ = ["Case", "Plan", "Report", "Row", "Times", "measure", "plan"]
