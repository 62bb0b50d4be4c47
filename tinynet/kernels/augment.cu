// A batch from a data set of bytes. The equation is in augment.py.
#include "tinynet.cuh"

// One thread owns one value of the batch; neighbouring threads read neighbouring bytes.
extern "C" __global__ void augment(
    real* y,                      // (N, C, size, size)
    const unsigned char* images,  // (M, C, H, W)
    const int* places,            // (N, 6): index, top, left, mirrored, down, right
    const real* mean,             // (C, size, size), or (C,)
    const real* deviation,        // (C,)
    const real* shift,            // (N, C), or null
    Index count, int C, int H, int W, int size, int pad, int enlarge, bool mean_is_a_picture)
{
  const Index at = thread_in_grid();
  if (at >= count) return;
  const int j = at % size, i = at / size % size, c = at / size / size % C;
  const Index n = at / size / size / C;
  const int* place = places + 6 * n;
  const int h = i + place[4] - pad, w = j + place[5] - pad;

  real value = 0;
  if (0 <= h && h < size && 0 <= w && w < size) {
    const int v = place[3] ? size - 1 - w : w;
    const int row = (place[1] + h) / enlarge, column = (place[2] + v) / enlarge;
    const long long pixel = ((long long)(place[0]) * C + c) * H + row;  // a data set may be large
    const real middle = mean[mean_is_a_picture ? (c * size + h) * size + w : c];
    value = (real(images[pixel * W + column]) - middle) / deviation[c];
  }
  y[at] = shift ? value + shift[n * C + c] : value;
}
