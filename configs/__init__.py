"""Packaged default configurations of builds."""
