// Block reduction: combines the values of all threads of a block, in a fixed order.
#pragma once

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

// Within a warp, lanes exchange registers: after five exchanges each has the result of all 32. The
// results of the warps are then combined in shared memory. Every thread gets the result. All
// threads of the block must call this, and their number must be a multiple of 32.
template <class T, class Join>
__device__ T block_reduce(T value, Join join) {
  __shared__ T of_warp[32];
  for (int distance = 16; distance > 0; distance /= 2)
    value = join(value, __shfl_xor_sync(~0u, value, distance));
  const int warps = blockDim.x / 32;
  if (warps == 1) return value;

  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
  for (int warp = 1; warp < warps; ++warp) value = join(value, of_warp[warp]);
  __syncthreads();  // all must have read before the next write
  return value;
}
