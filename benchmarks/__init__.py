"""Measured against PyTorch: ``python -m benchmarks`` prints the table of the README.

Every rival runs in a process of its own, samples are taken in turn (A B A B), and what counts is
the median. A ratio holds on a noisy machine; a time does not.
"""
