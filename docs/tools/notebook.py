"""A notebook as a page: its text and its code, without outputs."""

from __future__ import annotations

import json
from pathlib import Path


def page(path: Path) -> str:
    """The page, as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    return "\n\n".join(f"```python\n{text}\n```" if code else text for text, code in texts) + "\n"
