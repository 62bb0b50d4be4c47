// Gradient of bias, ReLU and dropout behind the product of a linear layer. The equation is in
// linear.py; the forward pass is in dropout.cu.
#include "tinynet.cuh"

constexpr int COLUMNS = 8;  // of a block: of a row, one sector of 32 bytes
constexpr int ROWS = 32;    // that a block reads at once
constexpr int WARPS = COLUMNS * ROWS / 32;

// One block per 8 columns. A thread has one of them, and every 32nd row.
extern "C" __global__ void __launch_bounds__(256) linear_relu_backward(
    const StoredY* __restrict__ gy, const StoredY* __restrict__ y,  // (M, N); y or null: all pass
    int M, int N,
    real scale,  // 1 / (1 - p)
    real after,  // by the paper's rule 1 - p, else 1
    StoredX* __restrict__ gz,  // (M, N)
    real* __restrict__ gbias)  // (N,)
{
  __shared__ wide of_warp[WARPS][COLUMNS];
  const int me = threadIdx.x, column = me % COLUMNS;
  const Index n = Index(blockIdx.x) * COLUMNS + column;
  wide sum = 0;
  if (n < N) {
#pragma unroll 4
    for (int m = me / COLUMNS; m < M; m += ROWS) {
      const Index at = Index(m) * N + n;
      const real gradient = gy[at], value = y ? real(y[at]) : real(1);  // two loads at once
      const real passed = value > 0 ? gradient * after * scale : real(0);
      gz[at] = passed;
      sum += passed;
    }
  }
#pragma unroll
  for (int distance = 16; distance >= COLUMNS; distance /= 2)  // the lanes of one column
    sum += __shfl_xor_sync(~0u, sum, distance);
  if (me % 32 < COLUMNS) of_warp[me / 32][column] = sum;
  __syncthreads();
  if (me < COLUMNS && n < N) {
    sum = 0;
    for (int warp = 0; warp < WARPS; ++warp) sum += of_warp[warp][column];
    gbias[n] = sum;
  }
}
