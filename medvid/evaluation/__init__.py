"""Metrics, judge, submissions and reports: the official ruler and a fairer one beside it."""
