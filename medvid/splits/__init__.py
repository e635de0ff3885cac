"""Splits: identities to train, val and test; selection of pairs."""
