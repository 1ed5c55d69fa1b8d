"""A student is born: recipe, loop, checkpoint, export."""
