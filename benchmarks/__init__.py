"""Measured against PyTorch: ``python -m benchmarks`` prints the table of the README.

===========================  ===================================================================
``benchmarks.step``          one net: a training step, inference, or its convolutions alone
``benchmarks.start``         from the start of a process to the end of its first step
``benchmarks.busy``          a step beside another busy process
``benchmarks.threads``       what a second thread is worth
``benchmarks.growth``        memory after 500 steps; ``.footprint``, ``.memory``: what it is
``benchmarks.with_jax``       the training step in JAX, which the table has where it is there
``benchmarks.rounding``      the errors of direct and of Winograd's convolution, layer by layer
===========================  ===================================================================

Every rival runs in a process of its own, samples are taken in turn (A B A B), and what counts is
the median. A ratio holds on a noisy machine; a time does not.
"""
