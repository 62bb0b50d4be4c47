// im2col and its adjoint. The equations are in im2col.py.
#include "tinynet.cuh"

// One thread per element of the columns, (plane, p, q, i, j), which reads its pixel.
extern "C" __global__ void im2col(
    const real* x,  // (planes, H, W)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    int DH, int DW,
    real* columns)  // (planes, KH, KW, OH, OW)
{
  const Index at = thread_in_grid();
  if (at >= planes * KH * KW * OH * OW) return;
  const int j = at % OW, i = at / OW % OH, q = at / OW / OH % KW, p = at / OW / OH / KW % KH;
  const Index plane = at / OW / OH / KW / KH;
  const int h = SH * i + DH * p - PH, w = SW * j + DW * q - PW;
  const bool inside = 0 <= h && h < H && 0 <= w && w < W;
  columns[at] = inside ? x[(plane * H + h) * W + w] : real(0);
}

// One thread per pixel (plane, h, w), which sums its elements of the columns without atomics.
extern "C" __global__ void col2im(
    const real* columns,  // (planes, KH, KW, OH, OW)
    Index planes, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    int DH, int DW,
    real* gx)  // (planes, H, W)
{
  const Index at = thread_in_grid();
  if (at >= planes * H * W) return;
  const int w = at % W, h = at / W % H;
  const Index plane = at / W / H;

  real sum = 0;
  for (int p = 0; p < KH; ++p) {
    const int below = h + PH - DH * p, i = below / SH;
    if (below < 0 || below % SH || i >= OH) continue;
    for (int q = 0; q < KW; ++q) {
      const int beside = w + PW - DW * q, j = beside / SW;
      if (beside < 0 || beside % SW || j >= OW) continue;
      sum += columns[(((plane * KH + p) * KW + q) * OH + i) * OW + j];
    }
  }
  gx[at] = sum;
}
