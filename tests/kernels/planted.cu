// Mistakes of the kinds that a GPU keeps to itself; test_sanitizers.py says who must notice which.
// All are launched as 2 blocks of 128 threads, with 256 numbers in x and in y.

extern "C" __global__ void no_barrier(const float* x, float* y) {
  __shared__ float part[128];
  part[threadIdx.x] = x[threadIdx.x];
  for (unsigned half = 64; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];  // no_barrier
  }
  if (threadIdx.x == 0) y[blockIdx.x] = part[0];
}

extern "C" __global__ void no_second_barrier(const float* x, float* y) {
  __shared__ float shown;
  for (unsigned i = 0; i < 3; ++i) {
    if (threadIdx.x == i) shown = x[i];  // no_second_barrier
    __syncthreads();
    y[blockIdx.x * 128 + threadIdx.x] += shown;
  }
}

extern "C" __global__ void between_lanes(const float* x, float* y) {
  __shared__ float part[128];
  part[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = part[threadIdx.x ^ 1];  // between_lanes
}

extern "C" __global__ void beyond(const float* x, float* y) {
  const unsigned i = blockIdx.x * 128 + threadIdx.x;
  y[i] = x[i + 1];  // beyond
}

extern "C" __global__ void writes_beyond(const float* x, float* y) {
  const unsigned i = blockIdx.x * 128 + threadIdx.x;
  y[i + 1] = x[i];  // writes_beyond
}

extern "C" __global__ void beyond_shared(const float* x, float* y) {
  __shared__ float part[128];
  part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = part[threadIdx.x + 1];  // beyond_shared
}

extern "C" __global__ void skipped(const float* x, float* y) {
  if (threadIdx.x < 100) __syncthreads();  // skipped
  y[blockIdx.x * 128 + threadIdx.x] = x[threadIdx.x];
}

// And the same done right: no sanitizer may report anything.
extern "C" __global__ void right(const float* x, float* y) {
  __shared__ float part[128];
  part[threadIdx.x] = x[threadIdx.x];
  for (unsigned half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  __syncthreads();
  const float mine = part[0] + __shfl_xor_sync(~0u, x[threadIdx.x], 1);
  atomicAdd(&y[0], mine);
}
