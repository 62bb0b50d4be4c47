// One number made of what all threads of a block hold, in an order that never changes.
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

// Within a warp, lanes read each other's registers: after five exchanges each knows all 32 values.
// The warps then meet in shared memory. Every thread gets the result; all threads must come here,
// and there must be whole warps of them.
template <class T, class Join>
__device__ T over_block(T value, Join join) {
  __shared__ T of_warp[32];
  for (int distance = 16; distance > 0; distance /= 2)
    value = join(value, __shfl_xor_sync(~0u, value, distance));
  const int warps = blockDim.x / 32;
  if (warps == 1) return value;

  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
  for (int warp = 1; warp < warps; ++warp) value = join(value, of_warp[warp]);
  __syncthreads();  // nobody may write the next value before all have read this one
  return value;
}
