// CUDA emulation header: with it included first, a .cu file is plain C++ for the CPU.
//
//   grid    all threads of one launch, cut into blocks
//   block   up to 1024 threads that share memory and can wait for each other, gridDim of them
//   warp    32 consecutive threads of a block; they can read each other's registers
//
// On a GPU many blocks run at once, in no defined order, and the threads of a block in parallel. Here
// blocks run one after the other, and the threads of a block are scheduled cooperatively, see
// cuda_on_cpu.cpp. A kernel that is correct on a GPU gives the same result here; its speed here says
// nothing.
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
#define __shared__ static  // one block runs at a time, so one copy is enough
#define DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(on_cpu::dynamic_shared())

// ---- thread and block indices

struct dim3 {
  unsigned x, y, z;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// ---- launching, called from Python

namespace on_cpu {

using Place = std::pair<const char*, int>;  // file and line of a barrier
#define HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

const char* run_grid(const char* kernel, const unsigned* shape, size_t shared,
                     void (*body)(void*), void* what);
void* dynamic_shared();
void block_barrier(Place);
void warp_barrier(Place);
unsigned thread_number();    // 0 .. the threads of a block - 1; x runs fastest
constexpr unsigned WORDS = 4;  // that a lane can publish
uint64_t* warp_registers();  // WORDS for each lane of the calling warp, which all its lanes can read
unsigned warp_lanes();       // 32, or fewer in the last warp of a block

template <class... A, size_t... i>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<i...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[i])...);
}

// `arguments` are the addresses of the kernel's arguments, as in the CUDA driver's cuLaunchKernel.
// Returns an error message, or null.
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

// ---- barriers

inline void __syncthreads(HERE) { on_cpu::block_barrier({file, line}); }
inline void __syncwarp(unsigned = ~0u, HERE) { on_cpu::warp_barrier({file, line}); }
inline void __threadfence() {}

// ---- warp shuffles

namespace on_cpu {

// Every lane publishes its value, all wait, every lane reads one, all wait before the next shuffle.
template <class T>
T shuffle(T value, unsigned from, Place place) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves up to 8 bytes");
  uint64_t* published = warp_registers();
  const unsigned lane = thread_number() % warpSize;
  memcpy(&published[lane], &value, sizeof(T));
  warp_barrier(place);
  memcpy(&value, &published[from < warp_lanes() ? from : lane], sizeof(T));
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

// ---- the tensor cores: sum (16, 8) += a (16, 8 words) @ b (8 words, 8), as in precision.cuh

struct uint4 {
  unsigned x, y, z, w;
} __align__(16);

inline unsigned bits_of(float x) {
  unsigned bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(unsigned bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

namespace on_cpu {

struct Fragments {
  unsigned a[4], b[2];
};

// The product of two words: of one tf32, or of two bfloat16 each. It is exact.
inline double product(unsigned a, unsigned b, int pair) {
  const double high = double(float_of(a & 0xffff0000)) * float_of(b & 0xffff0000);
  if (pair == 2) return double(float_of(a << 16)) * float_of(b << 16) + high;
  return double(float_of(a & ~0x1fffu)) * float_of(b & ~0x1fffu);
}

// Each lane publishes its fragments and computes its four sums. They are rounded once, at the end; a
// GPU adds in an order, and with a rounding, that NVIDIA does not document.
inline void multiply_add(float (&sum)[4], const uint4& a, const unsigned (&b)[2], int pair, HERE) {
  static_assert(sizeof(Fragments) <= WORDS * sizeof(uint64_t), "the registers of a lane");
  Fragments* published = reinterpret_cast<Fragments*>(warp_registers());
  const unsigned lane = thread_number() % warpSize;
  published[lane] = {{a.x, a.y, a.z, a.w}, {b[0], b[1]}};
  warp_barrier({file, line});
  for (int i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
    double exact = sum[i];
    for (unsigned k = 0; k < 8; ++k) {
      const unsigned left = published[row * 4 + k % 4].a[i / 2 + k / 4 * 2];
      exact += product(left, published[column * 4 + k % 4].b[k / 4], pair);
    }
    sum[i] = float(exact);
  }
  warp_barrier({file, line});
}

}  // namespace on_cpu

// ---- atomic operations

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

// ---- arithmetic functions of CUDA that C++ lacks

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
