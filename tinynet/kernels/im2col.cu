// im2col and its adjoint. The equations are in im2col.py.
#include "tinynet.cuh"

// One thread per window (plane, i, j), which copies its pixels: for each (p, q) the threads of a warp
// write neighbors. A thread divides only to find its window.
extern "C" __global__ void im2col(
    const real* __restrict__ x,  // (planes, H, W)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    int DH, int DW,
    int C,                       // planes of an image
    Index image_step,            // numbers from the columns of an image to those of the next
    Index tap_step,              // numbers from one row (c, p, q) of columns to the next
    real* __restrict__ columns)  // (N, C, KH, KW, OH, OW) or (C, KH, KW, N, OH, OW)
{
  const Index at = thread_in_grid(), windows = Index(OH) * OW;
  if (at >= planes * windows) return;
  const int j = at % OW;
  const Index row = at / OW, plane = row / OH;
  const int h0 = SH * int(row - plane * OH) - PH, w0 = SW * j - PW;
  const real* image = x + plane * H * W;
  const Index n = plane / C, c = plane - n * C;
  real* column = columns + n * image_step + c * KH * KW * tap_step + (at - plane * windows);

  for (int p = 0; p < KH; ++p) {
    const int h = h0 + DH * p;
#pragma unroll 4
    for (int q = 0; q < KW; ++q) {
      const int w = w0 + DW * q;
      const bool inside = 0 <= h && h < H && 0 <= w && w < W;
      const real value = image[inside ? Index(h) * W + w : 0];  // no branch, so that loads overlap
      *column = inside ? value : real(0);
      column += tap_step;
    }
  }
}

// Which window sees a pixel through tap 0, 1, ... of one axis: `index`, if `rest` is 0. The next tap
// lies one dilation behind, so two subtractions take the place of a division for each tap.
struct WindowOverPixel {
  int index, rest;
  const int stride, jump, step;
  __device__ WindowOverPixel(int at, int stride, int dilation)
      : index(at / stride), rest(at % stride), stride(stride), jump(dilation / stride),
        step(dilation % stride) {}
  __device__ bool among(int windows) const { return rest == 0 && 0 <= index && index < windows; }
  __device__ void next() {
    index -= jump;
    rest -= step;
    if (rest < 0) {
      rest += stride;
      --index;
    }
  }
};

// One thread per pixel (plane, h, w), which sums its elements of the columns without atomics.
extern "C" __global__ void col2im(
    const real* columns,  // (planes, KH, KW, OH, OW)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    int DH, int DW,
    real* gx)  // (planes, H, W)
{
  const Index at = thread_in_grid();
  if (at >= planes * H * W) return;
  const Index row = at / W, plane = row / H;
  WindowOverPixel i(int(row - plane * H) + PH, SH, DH);
  const WindowOverPixel first(int(at - row * W) + PW, SW, DW);

  real sum = 0;
  for (int p = 0; p < KH; ++p, i.next()) {
    if (!i.among(OH)) continue;
    WindowOverPixel j = first;
    for (int q = 0; q < KW; ++q, j.next())
      if (j.among(OW)) sum += columns[(((plane * KH + p) * KW + q) * OH + i.index) * OW + j.index];
  }
  gx[at] = sum;
}
