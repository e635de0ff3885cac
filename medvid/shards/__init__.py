"""Shards: deterministic tar writer, index, reader."""
