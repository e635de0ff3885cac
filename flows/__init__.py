"""Prefect wiring: flows and tasks around plain functions."""
