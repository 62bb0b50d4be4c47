// bfloat16 in memory: the upper half of a float, which arithmetic turns into a float.
#pragma once

#ifdef __CUDACC__
__device__ inline unsigned bits_of(float x) { return __float_as_uint(x); }
__device__ inline float float_of(unsigned bits) { return __uint_as_float(bits); }
#endif

struct BFloat16 {
  unsigned short bits;

  BFloat16() = default;

  // To nearest, a tie to even; NaN stays NaN.
  __device__ BFloat16(float x) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(0.0f), "f"(x));
    bits = static_cast<unsigned short>(word);
#else
    const unsigned word = bits_of(x);
    bits = x == x ? (word + 0x7fff + (word >> 16 & 1)) >> 16 : 0x7fff;
#endif
  }

  __device__ operator float() const { return float_of(unsigned(bits) << 16); }
};

// x if it is there, else 0: a selection, not a branch, so that loads overlap.
__device__ inline float selected(bool there, float x) { return there ? x : 0.0f; }
__device__ inline BFloat16 selected(bool there, BFloat16 x) {
  x.bits = there ? x.bits : 0;
  return x;
}
