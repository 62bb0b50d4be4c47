// Tiled matrix product: result = left @ right.
//
// If each thread read a whole row and a whole column, every number would be read from global memory
// as often as the other matrix is wide. So a block computes a tile of 64 x 64 results. In each step
// it loads 32 columns of `left` and 32 rows of `right` into shared memory, once, so that each number
// from global memory is used 64 times. Each of the 256 threads keeps a square of 4 x 4 results in
// registers, so that each number from shared memory is used 4 times.
//
//                       right  ┌────┐ 32
//                              └────┘
//                    left ┌┐   ┌────┐
//                      64 ││   │    │  a tile of the result
//                         └┘   └────┘
//                         32     64
//
// The matrices need not be stored like this: `left.row(m)[k]` and `right.column(n)[k]` can compute
// their addresses.
#pragma once

constexpr int TILE = 64, DEPTH = 32, SQUARE = 4;
constexpr int PRODUCT_THREADS = 256;  // TILE / SQUARE, squared

// Computes the terms `first` .. `last` - 1 of each sum for the tile of this block, and calls
// `write(m, n, value)` for each result. The blocks of a grid number the tiles row by row.
template <class Left, class Right, class Write>
__device__ void tile_product(const Left& left, const Right& right, Index rows, Index columns,
                             Index first, Index last, const Write& write) {
  __shared__ real a[DEPTH][TILE + 4], b[DEPTH][TILE + 4];  // + 4 avoids bank conflicts
  const Index tiles = (columns + TILE - 1) / TILE;
  const Index m0 = blockIdx.x / tiles * TILE, n0 = blockIdx.x % tiles * TILE;
  const int me = threadIdx.x;
  const int m1 = me / (TILE / SQUARE) * SQUARE, n1 = me % (TILE / SQUARE) * SQUARE;
  real sum[SQUARE][SQUARE] = {};

  for (Index k0 = first; k0 < last; k0 += DEPTH) {
    for (int i = me; i < TILE * DEPTH; i += PRODUCT_THREADS) {
      const int m = Left::ALONG_SUM ? i / DEPTH : i % TILE;
      const int k = Left::ALONG_SUM ? i % DEPTH : i / TILE;
      a[k][m] = m0 + m < rows && k0 + k < last ? left.row(m0 + m)[k0 + k] : real(0);
    }
    for (int i = me; i < TILE * DEPTH; i += PRODUCT_THREADS) {
      const int n = Right::ALONG_SUM ? i / DEPTH : i % TILE;
      const int k = Right::ALONG_SUM ? i % DEPTH : i / TILE;
      b[k][n] = n0 + n < columns && k0 + k < last ? right.column(n0 + n)[k0 + k] : real(0);
    }
    __syncthreads();
    for (int k = 0; k < DEPTH; ++k) {
      real u[SQUARE], v[SQUARE];
#pragma unroll
      for (int i = 0; i < SQUARE; ++i) u[i] = a[k][m1 + i], v[i] = b[k][n1 + i];
#pragma unroll
      for (int i = 0; i < SQUARE; ++i)
#pragma unroll
        for (int j = 0; j < SQUARE; ++j) sum[i][j] += u[i] * v[j];
    }
    __syncthreads();
  }

  for (int i = 0; i < SQUARE; ++i)
    for (int j = 0; j < SQUARE; ++j) {
      const Index m = m0 + m1 + i, n = n0 + n1 + j;
      if (m < rows && n < columns) write(m, n, sum[i][j]);
    }
}
