"""Synthetic native trees: the single home of made-up data."""

from medvid.synthetic.registry import load_writers, write_tree

__all__ = ["load_writers", "write_tree"]
