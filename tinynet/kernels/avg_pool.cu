// Average pooling over windows that may overlap. The equation is in avg_pool.py.
#include "tinynet.cuh"

// The number of counted pixels of a window that begins at `first`, along one axis.
__device__ inline int counted(int first, int K, int before, int size, int after,
                              bool with_padding) {
  const int low = with_padding ? -before : 0, high = with_padding ? size + after : size;
  return min(first + K, high) - max(first, low);
}

// One thread per output (plane, i, j), with a loop over its window; a plane is one channel of one
// image.
extern "C" __global__ void avg_pool2d_forward(
    const real* x,  // (planes, H, W)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW,
    int top, int bottom, int left, int right, bool with_padding,
    real* y)  // (planes, OH, OW)
{
  const Index at = thread_in_grid();
  if (at >= planes * OH * OW) return;
  const int w0 = SW * int(at % OW) - left, h0 = SH * int(at / OW % OH) - top;
  const real* image = x + at / OW / OH * H * W;

  real sum = 0;
  for (int h = max(0, h0); h < min(h0 + KH, H); ++h)
    for (int w = max(0, w0); w < min(w0 + KW, W); ++w) sum += image[Index(h) * W + w];
  y[at] = sum / (counted(h0, KH, top, H, bottom, with_padding) *
                 counted(w0, KW, left, W, right, with_padding));
}

// One thread per pixel (plane, h, w), which gathers from the windows that contain it.
extern "C" __global__ void avg_pool2d_backward(
    const real* gy,  // (planes, OH, OW)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW,
    int top, int bottom, int left, int right, bool with_padding,
    real* gx)  // (planes, H, W)
{
  const Index at = thread_in_grid();
  if (at >= planes * H * W) return;
  const int w = at % W, h = at / W % H;
  const real* windows = gy + at / W / H * OH * OW;

  real sum = 0;
  for (int p = (h + top) % SH; p < KH; p += SH) {
    const int i = (h + top - p) / SH;
    if (h + top < p || i >= OH) continue;
    const int rows = counted(SH * i - top, KH, top, H, bottom, with_padding);
    for (int q = (w + left) % SW; q < KW; q += SW) {
      const int j = (w + left - q) / SW;
      if (w + left < q || j >= OW) continue;
      const int columns = counted(SW * j - left, KW, left, W, right, with_padding);
      sum += windows[Index(i) * OW + j] / (rows * columns);
    }
  }
  gx[at] = sum;
}
