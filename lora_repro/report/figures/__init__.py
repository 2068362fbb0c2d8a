"""Figures from records: one file for each kind, ``render`` draws them all."""
