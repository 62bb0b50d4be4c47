// Local response normalization with the max-pooling behind it, in one pass over memory. The equations are
// in lrn.py and max_pool.py. Windows and strides are constants of the build, as in max_pool.cu.
#include "tinynet.cuh"
#include "channel_windows.cuh"

#ifndef KH
#define KH 3
#define KW 3
#define SH 2
#define SW 2
#define WINDOW 5  // channels
#endif
constexpr int HALF = WINDOW / 2;

// The numbers of a pixel in a window that slides from channel to channel.
struct Span : Window<WINDOW> {
  __device__ real middle() const { return term[HALF]; }
  __device__ real scale(real k, real alpha) const {
    real total = 0;
#pragma unroll
    for (int i = 0; i < WINDOW; ++i) total += term[i] * term[i];
    return k + alpha * total;
  }
};

// One thread per pixel of y and run of channels. It slides over them with the windows of all pixels that
// it pools.
extern "C" __global__ void lrn_max_pool_forward(
    const StoredX* __restrict__ x,  // (images, C, H, W)
    Index threads, int C, int H, int W, int OH, int OW, int PH, int PW, int groups, int runs, int length,
    real k, real alpha, real beta,
    StoredX* __restrict__ y,             // (images, C, OH, OW)
    unsigned char* __restrict__ argmax)  // the same shape: p * KW + q
{
  const Index at = thread_in_grid();
  if (at >= threads) return;
  const int pixels = OH * OW, plane = H * W;
  const Run run(at, C, pixels, groups, runs, length);
  const int i = at % pixels / OW, j = at % OW;
  const StoredX* image = x + at / pixels / runs / groups * C * plane;

  int place[KH * KW];  // in the plane of a channel; 0 outside of it
  bool inside[KH * KW];
#pragma unroll
  for (int tap = 0; tap < KH * KW; ++tap) {
    const int h = SH * i + tap / KW - PH, w = SW * j + tap % KW - PW;
    inside[tap] = (0 <= h) & (h < H) & (0 <= w) & (w < W);
    place[tap] = inside[tap] ? h * W + w : 0;
  }
  Span spans[KH * KW];
  const auto push = [&](int c) {
    const bool exists = run.lowest <= c && c < run.highest;
    const StoredX* channel = image + Index(exists ? c : 0) * plane;
#pragma unroll
    for (int tap = 0; tap < KH * KW; ++tap) {
      const real value = channel[place[tap]];  // no branch, so that loads overlap
      spans[tap].push(exists ? value : real(0));
    }
  };

  for (int c = run.first - HALF; c < run.first + HALF; ++c) push(c);
  for (int c = run.first; c < run.last; ++c) {
    push(c + HALF);
    real best = -INFINITY;  // NaN is larger than any number
    int found = 0;
#pragma unroll
    for (int tap = 0; tap < KH * KW; ++tap) {
      const real value = spans[tap].middle() * inverse_power(spans[tap].scale(k, alpha), beta);
      const bool wins = inside[tap] & ((value > best) | ((value != value) & (best == best)));
      best = wins ? value : best;  // ties: the first
      found = wins ? tap : found;
    }
    y[run.pixel + Index(c) * pixels] = best;
    argmax[run.pixel + Index(c) * pixels] = found;
  }
}

// The pixels of a cell have the same windows: SH x SW of them, unless strides are long. One thread per
// cell and run of channels gathers the gradient of the pooling, and computes the scale again.
constexpr int CELL_H = SH <= 2 ? SH : 1, CELL_W = SW <= 2 ? SW : 1, CELL = CELL_H * CELL_W;
constexpr int DOWN = (KH + SH - 1) / SH, ACROSS = (KW + SW - 1) / SW;  // windows of a cell
constexpr int NOWHERE = -1;

extern "C" __global__ void lrn_max_pool_backward(
    const StoredX* __restrict__ gy,            // (images, C, OH, OW)
    const unsigned char* __restrict__ argmax,  // the same shape
    const StoredX* __restrict__ x,             // (images, C, H, W)
    Index threads, int C, int H, int W, int OH, int OW, int PH, int PW, int groups, int runs, int length,
    int down, int across,  // cells of a plane
    real k, real alpha, real beta,
    real factor,               // 2 * alpha * beta
    StoredX* __restrict__ gx)  // (images, C, H, W)
{
  const Index at = thread_in_grid();
  if (at >= threads) return;
  const int cells = down * across, pixels = OH * OW, plane = H * W;
  const Run run(at, C, cells, groups, runs, length);
  const Index image = at / cells / runs / groups * C;
  const int h0 = at % cells / across * CELL_H, w0 = at % across * CELL_W;  // in the padded image
  gy += image * pixels;
  argmax += image * pixels;
  x += image * plane;
  gx += image * plane;

  int place[CELL];  // in the plane of a channel; 0 outside of it
  bool inside[CELL];
#pragma unroll
  for (int m = 0; m < CELL; ++m) {
    const int h = h0 + m / CELL_W - PH, w = w0 + m % CELL_W - PW;
    inside[m] = (0 <= h) & (h < H) & (0 <= w) & (w < W);
    place[m] = inside[m] ? h * W + w : 0;
  }
  int window[DOWN * ACROSS];
  bool is_window[DOWN * ACROSS];
#pragma unroll
  for (int u = 0; u < DOWN * ACROSS; ++u) {
    const int i = h0 / SH - u / ACROSS, j = w0 / SW - u % ACROSS;
    is_window[u] = (0 <= i) & (i < OH) & (0 <= j) & (j < OW);
    window[u] = is_window[u] ? i * OW + j : 0;
  }

  Span spans[CELL];
  const auto push = [&](int c) {
    const bool exists = run.lowest <= c && c < run.highest;
    const StoredX* channel = x + Index(exists ? c : run.lowest) * plane;
#pragma unroll
    for (int m = 0; m < CELL; ++m) {
      const real value = channel[place[m]];  // no branch, so that loads overlap
      spans[m].push(exists ? value : real(0));
    }
  };
  const auto gather = [&](int c, real(&sum)[CELL]) {
    const Index channel = Index(c) * pixels;
#pragma unroll
    for (int u = 0; u < DOWN * ACROSS; ++u) {
      const real gradient = gy[channel + window[u]];
      const int found = argmax[channel + window[u]], tap = is_window[u] ? found : NOWHERE;
      const int p = h0 % SH + SH * (u / ACROSS), q = w0 % SW + SW * (u % ACROSS);
#pragma unroll
      for (int m = 0; m < CELL; ++m) {
        const int down = p + m / CELL_W, right = q + m % CELL_W;  // from the corner of the window
        sum[m] += (down < KH) & (right < KW) & (tap == down * KW + right) ? gradient : real(0);
      }
    }
  };

  Window<WINDOW> terms[CELL];
  Window<HALF + 1> passed[CELL];  // gy * scale**-beta
  for (int c = run.first - 2 * HALF; c < run.first; ++c) push(c);
  for (int c = run.first - HALF; c < run.last + HALF; ++c) {
    push(c + HALF);
    const bool exists = run.lowest <= c && c < run.highest;
    real gradient[CELL] = {};
    gather(exists ? c : run.lowest, gradient);
    const int done = c - HALF;
#pragma unroll
    for (int m = 0; m < CELL; ++m) {
      const real scale = spans[m].scale(k, alpha);
      const real part = exists ? gradient[m] * inverse_power(scale, beta) : real(0);
      passed[m].push(part);
      terms[m].push(part * spans[m].middle() / scale);
      const real result = passed[m].term[0] - factor * spans[m].term[0] * terms[m].sum();
      if (done >= run.first && inside[m]) gx[Index(done) * plane + place[m]] = result;
    }
  }
}
