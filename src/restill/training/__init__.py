"""Training: recipe, loop, checkpoint, export."""
