"""Benchmarks against other frameworks: ``python -m benchmarks`` prints the tables of the README.

===========================  ===================================================================
``benchmarks.step``          one network: a training step, inference, or its convolutions alone
``benchmarks.networks``      a training step of each network for small images
``benchmarks.conv_ladder``   one convolution, from Python loops to Winograd
``benchmarks.start``         time from process start to the end of the first step
``benchmarks.contention``    a step while another process occupies a core
``benchmarks.threads``       speed-up from a second thread
``benchmarks.leak``          memory growth over 500 steps
``benchmarks.footprint``     estimated and measured memory of a step
``benchmarks.memory``        cost of page faults in fresh arrays
``benchmarks.rounding``      rounding errors of direct and Winograd convolution, layer by layer
``benchmarks.scaling``       predicted step times of 1 to 64 devices
``benchmarks.gpu``           all GPU benchmarks
===========================  ===================================================================

Every implementation runs in a process of its own, samples are interleaved (A B A B), and the
result is the median. A ratio holds on a noisy machine; a time does not. Helper modules:
``parts`` and ``report`` (rows and tables), ``workloads`` and ``epoch`` (what is computed),
``interleaved`` and ``worker`` (processes and sampling), ``our_cases``, ``torch_cases`` and
``inference_cases`` (one file for each kind of worker), ``torch_models`` and ``with_jax`` (the
networks in other frameworks).
"""
