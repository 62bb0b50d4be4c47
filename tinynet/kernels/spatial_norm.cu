// Local response normalization within a map. The equation is in spatial_norm.py.
#include "tinynet.cuh"

// Sums term(p, q) over the pixels around one pixel, inside its H x W map. One thread per pixel:
// consecutive threads have overlapping windows, so that most reads hit the cache.
template <class Term>
__device__ real window_sum(int i, int j, int H, int W, int half, Term term) {
  real total = 0;
  for (int p = max(0, i - half); p < min(H, i + half + 1); ++p)
    for (int q = max(0, j - half); q < min(W, j + half + 1); ++q) total += term(Index(p) * W + q);
  return total;
}

extern "C" __global__ void spatial_norm_forward(
    const real* x,  // (maps, H, W)
    Index maps, int H, int W, int half, real k, real alpha, real beta,
    real* y, real* scale)  // the same shape
{
  const Index at = thread_in_grid();
  if (at >= maps * H * W) return;
  const int j = at % W, i = at / W % H;
  const real* map = x + at / W / H * H * W;
  const real s = k + alpha * window_sum(i, j, H, W, half, [&](Index p) { return map[p] * map[p]; });
  scale[at] = s;
  y[at] = x[at] * inverse_power(s, beta);
}

extern "C" __global__ void spatial_norm_backward(
    const real* gy, const real* x, const real* y, const real* scale,  // (maps, H, W)
    Index maps, int H, int W, int half,
    real factor,  // 2 * alpha * beta
    real beta,
    real* gx)  // the same shape
{
  const Index at = thread_in_grid();
  if (at >= maps * H * W) return;
  const int j = at % W, i = at / W % H;
  const Index first = at / W / H * H * W;
  const real total = window_sum(i, j, H, W, half, [&](Index p) {
    return gy[first + p] * y[first + p] / scale[first + p];
  });
  gx[at] = gy[at] * inverse_power(scale[at], beta) - factor * x[at] * total;
}
