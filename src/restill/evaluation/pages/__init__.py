"""The pages of ``restill compare`` and ``restill evaluate --report``."""
