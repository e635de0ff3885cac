"""One task a module, found by presence."""
