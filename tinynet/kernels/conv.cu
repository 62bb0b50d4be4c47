// Convolution, what goes on around the products: sums of parts, the bias, ReLU and their gradients. The
// equations are in conv.py, the products in conv_tile.cu.
#include "tinynet.cuh"
#include "add_parts.cuh"
#include "block_reduce.cuh"

// One thread per number; see add_parts.cuh. Where filters are packed at this point, `pack_filters` of
// conv_tile.cu does it.
extern "C" __global__ void add_parts(real* gweight, real* gbias, const real* parts, Index count,
                                     Index size, const wide* sums, int shares, int OC)
{
  add_parts_of(thread_in_grid(), gweight, gbias, parts, count, size, sums, shares, OC);
}

// ---- bias and ReLU after a product by cuBLAS; one thread per element

extern "C" __global__ void add_bias(real* y,           // (N, OC, pixels)
                                    const real* bias,  // (OC,), or null
                                    Index size, int OC, Index pixels, bool relu)
{
  const Index at = thread_in_grid();
  if (at >= size) return;
  const real sum = bias ? y[at] + bias[at / pixels % OC] : y[at];
  y[at] = relu ? rectified(sum) : sum;
}

// ---- gradient of the bias: blocks that sum a channel of some images; `add_parts` adds the sums

// Calls visit(at) for each element of channel blockIdx.x in the images of share blockIdx.y, where at is
// its index in (N, OC, pixels). A thread divides only once, at its beginning.
template <class Visit>
__device__ void visit_channel(int N, int OC, Index pixels, int images, const Visit& visit) {
  const Index me = threadIdx.x, threads = blockDim.x;
  const int rows = threads / pixels, first = blockIdx.y * images, last = min(first + images, N);
  const Index step = threads - rows * pixels;
  int n = me / pixels;
  Index pixel = me - n * pixels;
  for (n += first; n < last;) {
    visit((Index(n) * OC + blockIdx.x) * pixels + pixel);
    n += rows;
    pixel += step;
    if (pixel >= pixels) {
      pixel -= pixels;
      ++n;
    }
  }
}

// One block per channel and share.
extern "C" __global__ void conv2d_backward_bias(const StoredY* __restrict__ gy,  // (N, OC, pixels)
                                                int N, int OC, Index pixels,
                                                int images,   // of one share
                                                wide* sums)   // (shares, OC)
{
  wide sum = 0;
  visit_channel(N, OC, pixels, images, [&](Index at) { sum += real(gy[at]); });
  sum = block_reduce(sum, Add());
  if (threadIdx.x == 0) sums[blockIdx.y * OC + blockIdx.x] = sum;
}

// The same for a fused ReLU: also writes the gradient masked by y > 0.
extern "C" __global__ void relu_backward(const StoredY* __restrict__ gy, const StoredY* __restrict__ y,
                                         int N, int OC, Index pixels,
                                         int images,                // of one share
                                         StoredY* __restrict__ masked,  // (N, OC, pixels), as gy and y
                                         wide* sums)                // (shares, OC)
{
  wide sum = 0;
  visit_channel(N, OC, pixels, images, [&](Index at) {
    const real gradient = gy[at], value = y[at];  // two loads at once, not one behind the other
    const real passed = value > 0 ? gradient : real(0);
    masked[at] = passed;
    sum += passed;
  });
  sum = block_reduce(sum, Add());
  if (threadIdx.x == 0) sums[blockIdx.y * OC + blockIdx.x] = sum;
}
