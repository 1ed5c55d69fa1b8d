"""Build the site into ``site/``: ``python -m docs.tools``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.tools.stage import ROOT, stage

SITE = ROOT / "site"
# What makes search work without a server. The pages name an address on the web; we ship the file.
SHIM, OUR_SHIM = "https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js"
LOADED = re.compile(r"""<(?:script|link rel="?stylesheet|img|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")


def main() -> None:
    """Stage the pages, run the generator, and check that no page loads anything from outside."""
    stage()
    generator = Path(sys.executable).with_name("zensical")
    build = [generator, "build", "--strict", "--clean", "--config-file", ROOT / "zensical.toml"]
    if subprocess.run(build, cwd=ROOT).returncode:  # noqa: S603 - our own command
        sys.exit("the site was not built: a link is wrong, see above")
    (SITE / "404.html").unlink()  # for servers only
    outside = [path for path in sorted(SITE.rglob("*.html")) if LOADED.search(with_our_shim(path))]
    if outside:
        sys.exit(f"these pages load something from outside: {', '.join(map(str, outside))}")
    print(f"written: {SITE / 'index.html'}")


def with_our_shim(path: Path) -> str:
    """Replace the address of the shim in a page by that of our copy. Returns the page."""
    up = "../" * (len(path.relative_to(SITE).parts) - 1)
    text = path.read_text(encoding="utf-8").replace(SHIM, up + OUR_SHIM)
    path.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
