"""Code generation for the CPU kernels: Numba, LLVM microkernels, caches and threads."""
