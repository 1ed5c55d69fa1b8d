"""``restill web``: a page on your own machine, and the small server behind it. No torch."""
