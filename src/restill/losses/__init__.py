"""Losses as pure functions of tensors. Look one up with :func:`restill.losses.reconstruction.reconstruction`."""
