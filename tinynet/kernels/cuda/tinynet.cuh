// Common types and functions of the .cu files. Kernels include no other headers, so that any CUDA C
// compiler can compile them: NVRTC, which compiles at run time, has none.
//
// The launcher (launch.py) defines two types before the file:
//   real    float or double, the dtype of the first array
//   Index   counts elements: int, or long long where an array has about 2^31 elements or more
#pragma once
#include "bfloat16.cuh"

typedef double wide;  // the type of long sums

// Activations and their gradients in memory: `real`, or bfloat16 where the arrays of the launch are.
#ifdef BFLOAT16_X
typedef BFloat16 StoredX;
#else
typedef real StoredX;
#endif
#ifdef BFLOAT16_Y
typedef BFloat16 StoredY;
#else
typedef real StoredY;
#endif

// Several arrays in one argument, passed by value: CUDA allows up to 4 KB of arguments.
constexpr int LIST_CAPACITY = 96;
struct Arrays {
  real* at[LIST_CAPACITY];
};
struct ConstArrays {
  const real* at[LIST_CAPACITY];
};
struct Sizes {
  Index at[LIST_CAPACITY];
};

#ifdef __CUDACC__
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif
#ifdef __CUDACC_RTC__
#define INFINITY __int_as_float(0x7f800000)
#endif

// The number of the calling thread in a grid of one dimension, or in its row of a grid of two.
__device__ inline Index thread_in_grid() {
  return Index(blockIdx.x) * Index(blockDim.x) + Index(threadIdx.x);
}

// x**-beta; for the paper's beta, two square roots instead of a power.
__device__ inline real inverse_power(real x, real beta) {
  if (beta == real(0.75)) return rsqrt(x) * sqrt(rsqrt(x));
  return pow(x, -beta);
}

// The larger of x and 0, which is +0 for -0, too; NaN stays NaN.
__device__ inline real rectified(real x) { return x <= 0 ? real(0) : x; }
