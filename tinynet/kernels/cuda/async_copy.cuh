// Asynchronous copies into shared memory: the thread goes on, and waits later (compute capability
// 8.0 on; PTX ISA, cp.async). Older GPUs and cuda_on_cpu copy at once.
#pragma once

// Begins to copy 16 bytes; both addresses are multiples of 16.
__device__ inline void begin_copy(unsigned* shared, const unsigned* global) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place), "l"(global) : "memory");
#else
  *reinterpret_cast<uint4*>(shared) = *reinterpret_cast<const uint4*>(global);
#endif
}

// Waits until all copies of the calling thread have arrived. A barrier must follow.
__device__ inline void await_copies() {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}
