// The words of CUDA, for the processor: with this header in front, a .cu file is plain C++.
//
//   grid    all threads of one launch, cut into blocks
//   block   up to 1024 threads that share memory and can wait for each other, gridDim of them
//   warp    32 threads of a block with neighbouring numbers; they can read each other's registers
//
// On a GPU many blocks run at once, in no promised order, and the threads of a block side by side.
// Here blocks run one after the other, and the threads of a block take turns: cuda_on_cpu.cpp tells
// how. A kernel that is right on a GPU gives the same result; its speed here says nothing.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <utility>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static  // one block runs at a time, so that one copy is enough
#define DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(on_cpu::dynamic_shared())

// ---- who am I?

struct dim3 {
  unsigned x, y, z;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// ---- launching: what Python calls

namespace on_cpu {

using Place = std::pair<const char*, int>;  // file and line of a barrier
#define HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

const char* run_grid(const char* kernel, const unsigned* shape, size_t shared,
                     void (*body)(void*), void* what);
void* dynamic_shared();
void block_barrier(Place);
void warp_barrier(Place);
unsigned thread_number();    // 0 .. the threads of a block - 1; x runs fastest
uint64_t* warp_registers();  // one word for each lane of the calling warp, seen by all of them
unsigned warp_lanes();       // 32, or fewer in the last warp of a block

template <class... A, size_t... i>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<i...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[i])...);
}

// `arguments` are the addresses of the kernel's arguments, as in the CUDA driver's cuLaunchKernel.
// Returns what went wrong, or null.
template <class... A>
const char* launch(const char* name, void (*kernel)(A...), const unsigned* shape, size_t shared,
                   void** arguments) {
  auto thread = [=] { call(kernel, arguments, std::index_sequence_for<A...>()); };
  using Thread = decltype(thread);
  return run_grid(name, shape, shared, [](void* it) { (*static_cast<Thread*>(it))(); }, &thread);
}

}  // namespace on_cpu

#define LAUNCHABLE(kernel)                                                                   \
  extern "C" __attribute__((visibility("default"))) const char* launch_##kernel(             \
      const unsigned* shape, size_t shared, void** arguments) {                              \
    return on_cpu::launch(#kernel, kernel, shape, shared, arguments);                        \
  }

// ---- waiting for each other

inline void __syncthreads(HERE) { on_cpu::block_barrier({file, line}); }
inline void __syncwarp(unsigned = ~0u, HERE) { on_cpu::warp_barrier({file, line}); }
inline void __threadfence() {}

// ---- reading each other's registers

namespace on_cpu {

// Every lane shows its value, all wait, every lane looks at one, all wait before the next showing.
template <class T>
T shuffle(T value, unsigned from, Place place) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves up to 8 bytes");
  uint64_t* shown = warp_registers();
  const unsigned lane = thread_number() % warpSize;
  memcpy(&shown[lane], &value, sizeof(T));
  warp_barrier(place);
  memcpy(&value, &shown[from < warp_lanes() ? from : lane], sizeof(T));
  warp_barrier(place);
  return value;
}

}  // namespace on_cpu

template <class T>
T __shfl_sync(unsigned, T value, int lane, HERE) {
  return on_cpu::shuffle(value, lane % warpSize, {file, line});
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask, HERE) {
  return on_cpu::shuffle(value, (on_cpu::thread_number() % warpSize) ^ mask, {file, line});
}

template <class T>
T __shfl_down_sync(unsigned, T value, unsigned lanes, HERE) {
  return on_cpu::shuffle(value, on_cpu::thread_number() % warpSize + lanes, {file, line});
}

// ---- changing one number from many threads

template <class T, class Change>
T atomic_change(T* place, Change change) {
  T before, after;
  __atomic_load(place, &before, __ATOMIC_RELAXED);
  do {
    after = change(before);
  } while (!__atomic_compare_exchange(place, &before, &after, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED));
  return before;
}

template <class T>
T atomicAdd(T* place, T more) {
  return atomic_change(place, [=](T before) { return before + more; });
}

template <class T>
T atomicMax(T* place, T other) {
  return atomic_change(place, [=](T before) { return before < other ? other : before; });
}

// ---- arithmetic that CUDA has and C++ has not

inline unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }

template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}

template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}
