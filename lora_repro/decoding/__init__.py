"""Decoding: texts written by a trained decoder, as the official ``gpt2_beam.py`` writes them."""
