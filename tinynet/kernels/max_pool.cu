// Max-pooling over windows that may overlap. The equation is in max_pool.py. Windows and strides are
// constants of the build: their loops are unrolled, and a division by a stride is a multiplication.
#include "tinynet.cuh"

#ifndef KH
#define KH 3
#define KW 3
#define SH 2
#define SW 2
#endif
constexpr int NOWHERE = -1;

// One thread per output (plane, i, j), with a loop over its window; a plane is one channel of one
// image.
extern "C" __global__ void max_pool2d_forward(
    const StoredX* __restrict__ x,  // (planes, H, W)
    Index planes, int H, int W, int OH, int OW, int PH, int PW,
    real floor, int none,   // y >= floor; where no value exceeds it, the argmax is `none`
    StoredX* y,             // (planes, OH, OW)
    unsigned char* argmax)  // the same shape: p * KW + q
{
  const Index at = thread_in_grid();
  if (at >= planes * OH * OW) return;
  const int j = at % OW, i = at / OW % OH;
  const StoredX* image = x + at / OW / OH * H * W;

  real best = floor;  // NaN is larger than any number
  int place = none;
#pragma unroll 4
  for (int p = 0; p < KH; ++p)
#pragma unroll 4
    for (int q = 0; q < KW; ++q) {
      const int h = SH * i + p - PH, w = SW * j + q - PW;
      const bool inside = (0 <= h) & (h < H) & (0 <= w) & (w < W);
      const real value = image[inside ? Index(h) * W + w : 0];  // no branch, so that loads overlap
      const bool wins = inside & ((value > best) | ((value != value) & (best == best)));
      best = wins ? value : best;  // ties: the first
      place = wins ? p * KW + q : place;
    }
  y[at] = best;
  argmax[at] = place;
}

// The pixels of a cell have the same windows: SH x SW of them, unless strides are long. One thread per
// cell gathers from these windows in a fixed order, and no two threads write to one place.
constexpr int CELL_H = SH <= 4 ? SH : 1, CELL_W = SW <= 4 ? SW : 1;

extern "C" __global__ void max_pool2d_backward(
    const StoredX* __restrict__ gy,            // (planes, OH, OW)
    const unsigned char* __restrict__ argmax,  // (planes, OH, OW)
    Index planes, int H, int W, int OH, int OW, int PH, int PW,
    int down, int across,                      // cells of a plane
    StoredX* __restrict__ gx)                  // (planes, H, W)
{
  const Index at = thread_in_grid();
  if (at >= planes * down * across) return;
  const Index row = at / across, plane = row / down;
  // in the padded image
  const int h0 = int(row - plane * down) * CELL_H, w0 = int(at - row * across) * CELL_W;
  const Index first = plane * OH * OW;

  real sum[CELL_H][CELL_W] = {};
#pragma unroll 4
  for (int a = 0; a < (KH + SH - 1) / SH; ++a)
#pragma unroll 4
    for (int b = 0; b < (KW + SW - 1) / SW; ++b) {
      const int i = h0 / SH - a, j = w0 / SW - b, p = h0 % SH + SH * a, q = w0 % SW + SW * b;
      const bool exists = (0 <= i) & (i < OH) & (0 <= j) & (j < OW);
      const Index window = exists ? first + i * OW + j : 0;
      const real gradient = gy[window];  // no branch, so that loads overlap
      const int found = argmax[window], place = exists ? found : NOWHERE;
#pragma unroll
      for (int r = 0; r < CELL_H; ++r)
#pragma unroll
        for (int s = 0; s < CELL_W; ++s) {
          const bool covered = (p + r < KH) & (q + s < KW);
          sum[r][s] += covered & (place == (p + r) * KW + q + s) ? gradient : real(0);
        }
    }

#pragma unroll
  for (int r = 0; r < CELL_H; ++r)
#pragma unroll
    for (int s = 0; s < CELL_W; ++s) {
      const int h = h0 + r - PH, w = w0 + s - PW;
      if (0 <= h && h < H && 0 <= w && w < W) gx[(plane * H + h) * W + w] = sum[r][s];
    }
}
