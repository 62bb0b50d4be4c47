// Max-pooling over windows that may overlap. The equation is in max_pool.py.
#include "tinynet.cuh"

// One thread per output (plane, i, j), with a loop over its window; a plane is one channel of one
// image.
extern "C" __global__ void max_pool2d_forward(
    const real* x,  // (planes, H, W)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    real floor, int none,   // y >= floor; where no value exceeds it, the argmax is `none`
    real* y,                // (planes, OH, OW)
    unsigned char* argmax)  // the same shape: p * KW + q
{
  const Index at = thread_in_grid();
  if (at >= planes * OH * OW) return;
  const int j = at % OW, i = at / OW % OH;
  const real* image = x + at / OW / OH * H * W;

  real best = floor;  // NaN is larger than any number
  int place = none;
  for (int p = max(0, PH - SH * i); p < min(KH, H + PH - SH * i); ++p)
    for (int q = max(0, PW - SW * j); q < min(KW, W + PW - SW * j); ++q) {
      const real value = image[Index(SH * i + p - PH) * W + (SW * j + q - PW)];
      if (value > best || (value != value && best == best)) {  // ties: the first
        best = value;
        place = p * KW + q;
      }
    }
  y[at] = best;
  argmax[at] = place;
}

// One thread per pixel (plane, h, w), which gathers from the windows that contain it, in row-major
// order: no two threads write to one place, and the order of the sum is fixed.
extern "C" __global__ void max_pool2d_backward(
    const real* gy,               // (planes, OH, OW)
    const unsigned char* argmax,  // (planes, OH, OW)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    real* gx)  // (planes, H, W)
{
  const Index at = thread_in_grid();
  if (at >= planes * H * W) return;
  const Index row = at / W, plane = row / H;
  const int h = int(row - plane * H) + PH, w = int(at - row * W) + PW;  // in the padded image
  const int last_i = min(h / SH, OH - 1), last_j = min(w / SW, OW - 1);
  const int first_i = h < KH ? 0 : (h - KH) / SH + 1, first_j = w < KW ? 0 : (w - KW) / SW + 1;

  real sum = 0;
  for (int i = last_i; i >= first_i; --i)
    for (int j = last_j; j >= first_j; --j) {
      const Index window = (plane * OH + i) * OW + j;
      if (argmax[window] == (h - SH * i) * KW + (w - SW * j)) sum += gy[window];
    }
  gx[at] = sum;
}
