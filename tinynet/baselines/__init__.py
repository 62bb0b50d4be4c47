"""Baselines from before deep networks."""
