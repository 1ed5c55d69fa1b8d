"""``python -m restill``."""

from restill.cli import main

main()
