"""Detectors on the values of channels, one a file."""
