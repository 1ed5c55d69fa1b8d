"""Restore many inputs with several processes or machines: items, a record of their results, and what runs them."""
