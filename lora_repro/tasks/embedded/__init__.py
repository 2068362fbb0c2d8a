"""Tasks that come with the suite: generated from a seed, in the form of GLUE and E2E, for a machine without data.

They are ours, and only their form is GLUE's and E2E's: numbers from them are marked as generated wherever they appear,
and say nothing about the paper's. Nothing here reads a file or needs a library; the same seed gives the same text
on every machine.
"""
