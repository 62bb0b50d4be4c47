// Batch normalization of each channel. The equations are in batch_norm.py.
#include "tinynet.cuh"
#include "block_reduce.cuh"

// The sum of `term(at)` over all elements of a channel; one block per channel.
template <class Term>
__device__ wide channel_sum(Index images, int C, Index pixels, const Term& term) {
  wide sum = 0;
  for (Index at = threadIdx.x; at < images * pixels; at += blockDim.x)
    sum += term((at / pixels * C + blockIdx.x) * pixels + at % pixels);
  return block_reduce(sum, Add());
}

extern "C" __global__ void batch_norm_statistics(const real* x,  // (images, C, pixels)
                                                 Index images, int C, Index pixels,
                                                 real* mean, real* var)  // (C,)
{
  const wide count = wide(images) * wide(pixels);
  const wide center = channel_sum(images, C, pixels, [=](Index at) { return wide(x[at]); }) / count;
  const wide squares = channel_sum(images, C, pixels, [=](Index at) {
    const wide distance = x[at] - center;
    return distance * distance;
  });
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = center;
    var[blockIdx.x] = squares / count;
  }
}

// One thread per element.
extern "C" __global__ void batch_norm_forward(
    const real* x, const real* added,  // (images, C, pixels); added before the ReLU, or null
    const real* mean, const real* var, const real* weight, const real* bias,  // (C,)
    real eps, Index size, int C, Index pixels, bool relu,
    real* y)  // (images, C, pixels)
{
  const Index at = thread_in_grid();
  if (at >= size) return;
  const int c = at / pixels % C;
  const real inverse = rsqrt(var[c] + eps);
  const real normalized = (x[at] - mean[c]) * (weight[c] * inverse) + bias[c];
  const real value = added ? normalized + added[at] : normalized;
  y[at] = relu ? rectified(value) : value;
}

// The gradient masked by a fused ReLU with output y; without a ReLU, y is null.
__device__ inline real passed(const real* gy, const real* y, Index at) {
  return !y || y[at] > 0 ? gy[at] : real(0);
}

extern "C" __global__ void batch_norm_sums(
    const real* gy, const real* y, const real* x,  // (images, C, pixels); y or null
    const real* mean, const real* var,             // (C,)
    real eps, Index images, int C, Index pixels,
    real* gweight, real* gbias)  // (C,)
{
  const int c = blockIdx.x;
  const wide inverse = rsqrt(wide(var[c]) + eps), center = mean[c];
  const wide bias = channel_sum(images, C, pixels, [=](Index at) { return wide(passed(gy, y, at)); });
  const wide weight = channel_sum(images, C, pixels, [=](Index at) {
    return passed(gy, y, at) * ((x[at] - center) * inverse);
  });
  if (threadIdx.x == 0) {
    gbias[c] = bias;
    gweight[c] = weight;
  }
}

// One thread per element. `count` is N*H*W in training. In evaluation the statistics are constants,
// and count is infinite.
extern "C" __global__ void batch_norm_backward(
    const real* gy, const real* y, const real* x,                   // (images, C, pixels); y or null
    const real* mean, const real* var, const real* weight,          // (C,)
    const real* gweight, const real* gbias,                         // (C,)
    real eps, real count, Index size, int C, Index pixels,
    real* gx)  // (images, C, pixels)
{
  const Index at = thread_in_grid();
  if (at >= size) return;
  const int c = at / pixels % C;
  const real inverse = rsqrt(var[c] + eps), xhat = (x[at] - mean[c]) * inverse;
  const real centered = passed(gy, y, at) - gbias[c] / count - xhat * gweight[c] / count;
  gx[at] = weight[c] * inverse * centered;
}
