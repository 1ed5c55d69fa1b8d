"""Degraded frames from clean ones. No torch here."""
