// More mistakes, in a file without static shared memory: only then are blocks seen to race, because
// on the CPU they all have the same static memory, one after the other.

extern "C" __global__ void no_atomic(const float* x, float* y) {
  if (threadIdx.x == 0) y[0] += x[blockIdx.x];  // no_atomic: both blocks
}

extern "C" __global__ void neighbours(const float* x, float* y) {
  const unsigned i = blockIdx.x * 128 + threadIdx.x;
  y[i / 2] = x[i];  // neighbours
}

extern "C" __global__ void beyond_dynamic(const float* x, float* y) {
  DYNAMIC_SHARED(float, part);
  part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = part[threadIdx.x + 1];  // beyond_dynamic
}

extern "C" __global__ void right(const float* x, float* y) {
  DYNAMIC_SHARED(float, part);
  part[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = part[127 - threadIdx.x];
}
