"""Wrong answers to the exercises of lesson 17, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_17 import (
    race_solution,
    relu_solution,
    tiled_solution,
    transpose_solution,
)

RELU, TILED, SHARE = relu_solution(), tiled_solution(), race_solution()
TURNED = transpose_solution()
BARRIER = "    __syncthreads();\n"

NAIVE = r"""
extern "C" __global__ void tiled(const float* a, const float* b, float* y, int M, int K, int N) {
  const int n = blockIdx.x * 16 + threadIdx.x, m = blockIdx.y * 16 + threadIdx.y;
  if (m >= M || n >= N) return;
  float sum = 0;
  for (int k = 0; k < K; ++k) sum += a[m * K + k] * b[k * N + n];
  y[m * N + n] = sum;
}
"""

SCATTERED = r"""
extern "C" __global__ void transpose(const float* x, float* y, int H, int W) {
  const int w = blockIdx.x * 32 + threadIdx.x, h = blockIdx.y * 32 + threadIdx.y;
  if (h < H && w < W) y[w * H + h] = x[h * W + w];
}
"""
ROLES = "blockIdx.x * 32 + threadIdx.x, h = blockIdx.y * 32 + threadIdx.y"
EXCHANGED = SCATTERED.replace(
    ROLES, "blockIdx.x * 32 + threadIdx.y, h = blockIdx.y * 32 + threadIdx.x"
)

WRONG = {
    "17.1": [
        (RELU.replace("if (i < n) ", ""), "written to y[5]"),
        (RELU.replace("blockDim.x", "gridDim.x"), "blockIdx.x * blockDim.x threads"),
        (RELU.replace("? x[i]", "x[i]"), "yours.cu:4"),
        (RELU.replace(", int n", "").replace("i < n", "i < 6"), "has 2 parameters, got 3"),
        (3, "expected CUDA C in quotes"),
    ],
    "17.2": [
        (lambda addresses: len(np.unique(addresses)), "32 floats are 128 bytes"),
        (lambda addresses: (np.ptp(addresses) + 4) / 32, "All lanes share one sector"),
        (lambda addresses: np.ptp(addresses // 32) + 1, "No two of them share a sector"),
    ],
    "17.3": [
        (TILED[::-1].replace(BARRIER[::-1], "", 1)[::-1], "Three steps: no thread"),
        (TILED.replace(BARRIER, "", 1), "all wait before they read"),
        (TILED.replace("m < M && k0 + tx < K ?", "true ?"), "Tiles extend past the edges"),
        (NAIVE, "the threads read 131,072"),
    ],
    "17.4": [
        (SCATTERED, "expected a coalescing of at least 0.9, got 0.2"),
        (EXCHANGED, "expected a coalescing of at least 0.9, got 0.2"),
        (TURNED.replace("[33]", "[32]"), "which bank holds"),
        (TURNED.replace("  __syncthreads();\n", ""), "all must have read"),
        (TURNED.replace("(h0 + ty) * W", "(h0 + ty) * H"), "a row of y has H"),
        (TURNED.replace("if (w0 + ty < W && h0 + tx < H) ", ""), "written to y["),
    ],
    "17.5": [
        (SHARE.replace("  }\n  __syncthreads();\n", "  }\n"), "before the last addition"),
        (
            SHARE.replace("  }\n  __syncthreads();\n", "  }\n  if (t == 0) __syncthreads();\n"),
            "must come to this barrier",
        ),
    ],
}
