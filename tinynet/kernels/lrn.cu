// Local response normalization. The equation is in lrn.py.
#include "tinynet.cuh"

// The terms of a window that slides from channel to channel. N is a compile-time constant, so that
// all indices are known and the terms stay in registers.
template <int N>
struct Window {
  real term[N] = {};

  __device__ void push(real next) {
#pragma unroll
    for (int i = 0; i + 1 < N; ++i) term[i] = term[i + 1];
    term[N - 1] = next;
  }
  __device__ real sum() const {
    real total = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) total += term[i];
    return total;
  }
};

// A thread computes a run of channels of one pixel. Consecutive threads have consecutive pixels, so
// that their reads coalesce.
struct Run {
  Index pixel;           // offset of channel 0 of this pixel
  int first, last;       // the channels of this thread: first .. last - 1
  int lowest, highest;   // the group around them

  // A group has `runs` of `length` channels; the last one may be shorter.
  __device__ Run(Index at, int C, int HW, int groups, int runs, int length) {
    const int run = at / HW % runs, group = at / HW / runs % groups, members = C / groups;
    pixel = at / HW / runs / groups * C * HW + at % HW;
    lowest = group * members;
    highest = lowest + members;
    first = lowest + run * length;
    last = min(first + length, highest);
  }
};

template <int N>
__device__ void forward(const real* x, Run run, int HW, real k, real alpha, real beta, real* y,
                        real* scale) {
  x += run.pixel;
  auto squared = [&](int c) {
    const bool inside = run.lowest <= c && c < run.highest;
    return inside ? x[Index(c) * HW] * x[Index(c) * HW] : real(0);
  };
  Window<N> window;
  for (int c = run.first - N / 2; c < run.first + N / 2; ++c) window.push(squared(c));
  for (int c = run.first; c < run.last; ++c) {
    window.push(squared(c + N / 2));
    const real s = k + alpha * window.sum();
    scale[run.pixel + Index(c) * HW] = s;
    y[run.pixel + Index(c) * HW] = x[Index(c) * HW] * inverse_power(s, beta);
  }
}

extern "C" __global__ void lrn_forward(
    const real* x,  // (images, C, HW)
    Index threads, int C, int HW, int groups, int runs, int length, int n, real k, real alpha,
    real beta,
    real* y, real* scale)  // the same shape
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
__device__ void backward(const real* gy, const real* x, const real* scale, Run run, int HW,
                         real factor, real beta, real* gx) {
  auto term = [&](int c) {  // gy y / scale; y is computed again, which is faster than reading it
    const Index at = run.pixel + Index(c) * HW;
    const bool inside = run.lowest <= c && c < run.highest;
    return inside ? gy[at] * (x[at] * inverse_power(scale[at], beta)) / scale[at] : real(0);
  };
  Window<N> window;
  for (int c = run.first - N / 2; c < run.first + N / 2; ++c) window.push(term(c));
  for (int c = run.first; c < run.last; ++c) {
    window.push(term(c + N / 2));
    const Index at = run.pixel + Index(c) * HW;
    gx[at] = gy[at] * inverse_power(scale[at], beta) - factor * x[at] * window.sum();
  }
}

extern "C" __global__ void lrn_backward(
    const real* gy, const real* x, const real* scale,  // (images, C, HW)
    Index threads, int C, int HW, int groups, int runs, int length, int n,
    real factor,  // 2 * alpha * beta
    real beta,
    real* gx)  // the same shape
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
