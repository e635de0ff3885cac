"""One converter a module, found by presence."""
