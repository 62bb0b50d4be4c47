// Matrix product y = a @ b. The algorithm is in tile_product.cuh.
#include "tinynet.cuh"
#include "tile_product.cuh"

// A strided vector: a row or a column of a matrix.
struct Line {
  const real* first;
  Index step;
  __device__ real operator[](Index k) const { return first[k * step]; }
};

// A matrix in any memory order: transposed ones need no copy. Consecutive threads read along a row.
struct Rows {
  static constexpr bool ALONG_SUM = true;
  const real* a;
  Index down, right;
  __device__ Line row(Index m) const { return {a + m * down, right}; }
};

struct Columns {
  static constexpr bool ALONG_SUM = false;
  const real* b;
  Index down, right;
  __device__ Line column(Index n) const { return {b + n * right, down}; }
};

extern "C" __global__ void __launch_bounds__(256) matmul(
    const real* a,  // (M, K)
    const real* b,  // (K, N)
    Index M, Index K, Index N,
    Index a_down, Index a_right, Index b_down, Index b_right,  // steps to the next row and column
    real* y)  // (M, N)
{
  const auto write = [=](Index m, Index n, real sum) { y[m * N + n] = sum; };
  tile_product(Rows{a, a_down, a_right}, Columns{b, b_down, b_right}, M, N, 0, K, write);
}
