"""Releases: ledger, content keys, publish, manifest, quarantine, verify, report."""
