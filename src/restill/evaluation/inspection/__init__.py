"""The figures of ``restill inspect``."""
