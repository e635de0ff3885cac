"""Synthetic native trees: the single home of made-up data."""
