// Conversions between float32 and bfloat16. The equations are in bfloat16.py.
#include "tinynet.cuh"

// One thread per element, in both kernels.
extern "C" __global__ void convert(const StoredX* x, Index size, StoredY* y)  // (size,)
{
  const Index at = thread_in_grid();
  if (at < size) y[at] = real(x[at]);
}
