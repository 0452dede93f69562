"""Kinds of machine in a distribution of their own."""
