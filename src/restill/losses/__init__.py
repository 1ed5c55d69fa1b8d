"""Losses: pure functions of tensors. :func:`restill.losses.reconstruction.reconstruction` finds one by name."""
