// Local response normalization. The equation is in lrn.py.
#include "tinynet.cuh"
#include "channel_windows.cuh"

template <int N>
__device__ void forward(const StoredX* x, Run run, int HW, real k, real alpha, real beta, StoredX* y,
                        real* scale) {
  x += run.pixel;
  auto squared = [&](int c) {
    const bool inside = run.lowest <= c && c < run.highest;
    const real value = inside ? real(x[Index(c) * HW]) : real(0);
    return value * value;
  };
  Window<N> window;
  for (int c = run.first - N / 2; c < run.first + N / 2; ++c) window.push(squared(c));
  for (int c = run.first; c < run.last; ++c) {
    window.push(squared(c + N / 2));
    const real s = k + alpha * window.sum();
    scale[run.pixel + Index(c) * HW] = s;
    y[run.pixel + Index(c) * HW] = real(x[Index(c) * HW]) * inverse_power(s, beta);
  }
}

extern "C" __global__ void lrn_forward(
    const StoredX* x,  // (images, C, HW)
    Index threads, int C, int HW, int groups, int runs, int length, int n, real k, real alpha,
    real beta,
    StoredX* y, real* scale)  // the same shape
{
  const Index at = thread_in_grid();
  if (at >= threads) return;
  const Run run(at, C, HW, groups, runs, length);
  switch (n) {
    case 1: return forward<1>(x, run, HW, k, alpha, beta, y, scale);
    case 3: return forward<3>(x, run, HW, k, alpha, beta, y, scale);
    case 5: return forward<5>(x, run, HW, k, alpha, beta, y, scale);
    case 7: return forward<7>(x, run, HW, k, alpha, beta, y, scale);
    case 9: return forward<9>(x, run, HW, k, alpha, beta, y, scale);
  }
}

template <int N>
__device__ void backward(const StoredX* gy, const StoredX* x, const real* scale, Run run, int HW,
                         real factor, real beta, StoredX* gx) {
  auto term = [&](int c) {  // gy y / scale; y is computed again, which is faster than reading it
    const Index at = run.pixel + Index(c) * HW;
    const bool inside = run.lowest <= c && c < run.highest;
    return inside ? real(gy[at]) * (real(x[at]) * inverse_power(scale[at], beta)) / scale[at] : real(0);
  };
  Window<N> window;
  for (int c = run.first - N / 2; c < run.first + N / 2; ++c) window.push(term(c));
  for (int c = run.first; c < run.last; ++c) {
    window.push(term(c + N / 2));
    const Index at = run.pixel + Index(c) * HW;
    gx[at] = real(gy[at]) * inverse_power(scale[at], beta) - factor * real(x[at]) * window.sum();
  }
}

extern "C" __global__ void lrn_backward(
    const StoredX* gy, const StoredX* x, const real* scale,  // (images, C, HW)
    Index threads, int C, int HW, int groups, int runs, int length, int n,
    real factor,  // 2 * alpha * beta
    real beta,
    StoredX* gx)  // the same shape
{
  const Index at = thread_in_grid();
  if (at >= threads) return;
  const Run run(at, C, HW, groups, runs, length);
  switch (n) {
    case 1: return backward<1>(gy, x, scale, run, HW, factor, beta, gx);
    case 3: return backward<3>(gy, x, scale, run, HW, factor, beta, gx);
    case 5: return backward<5>(gy, x, scale, run, HW, factor, beta, gx);
    case 7: return backward<7>(gy, x, scale, run, HW, factor, beta, gx);
    case 9: return backward<9>(gy, x, scale, run, HW, factor, beta, gx);
  }
}
