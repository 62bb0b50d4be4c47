// Rectified linear unit, element by element. The equation is in relu.py. Other ops fuse it.
#include "tinynet.cuh"

// One thread per element.
extern "C" __global__ void relu_forward(const real* x, Index size, real* y)  // (size,)
{
  const Index at = thread_in_grid();
  if (at < size) y[at] = rectified(x[at]);
}

extern "C" __global__ void relu_backward(const real* gy, const real* y, Index size, real* gx)  // (size,)
{
  const Index at = thread_in_grid();
  if (at < size) gx[at] = y[at] > 0 ? gy[at] : real(0);
}
