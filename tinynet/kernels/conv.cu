// Convolution, what goes on around the products: sums of parts, the bias, ReLU and their gradients. The
// equations are in conv.py, the products in conv_tile.cu.
#include "tinynet.cuh"
#include "block_reduce.cuh"

// Gradients of the weights and of the bias from their parts, in one launch: a thread adds the parts of
// one weight, and the threads behind those add the sums of a channel.
extern "C" __global__ void add_parts(real* gweight,      // (size,)
                                     real* gbias,        // (OC,)
                                     const real* parts,  // (count, size)
                                     Index count, Index size,
                                     const wide* sums,  // (shares, OC)
                                     int shares, int OC)
{
  const Index at = thread_in_grid(), channel = at - size;
  wide sum = 0;
  if (at < size) {
#pragma unroll 16  // so that 16 loads overlap
    for (Index i = 0; i < count; ++i) sum += parts[i * size + at];
    gweight[at] = sum;
  } else if (channel < OC) {
#pragma unroll 4
    for (int share = 0; share < shares; ++share) sum += sums[share * OC + channel];
    gbias[channel] = sum;
  }
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
extern "C" __global__ void conv2d_backward_bias(const real* __restrict__ gy,  // (N, OC, pixels)
                                                int N, int OC, Index pixels,
                                                int images,   // of one share
                                                wide* sums)   // (shares, OC)
{
  wide sum = 0;
  visit_channel(N, OC, pixels, images, [&](Index at) { sum += gy[at]; });
  sum = block_reduce(sum, Add());
  if (threadIdx.x == 0) sums[blockIdx.y * OC + blockIdx.x] = sum;
}

// The same for a fused ReLU: also writes the gradient masked by y > 0.
extern "C" __global__ void relu_backward(const real* __restrict__ gy, const real* __restrict__ y,
                                         int N, int OC, Index pixels,
                                         int images,                // of one share
                                         real* __restrict__ masked,  // (N, OC, pixels), as gy and y
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
