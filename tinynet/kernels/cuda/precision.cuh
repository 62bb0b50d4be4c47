// Precisions of a product on the GPU, and the instruction of the tensor cores.
//
// Tensor cores multiply small matrices of 32-bit words. A word holds one number, rounded to the 11
// significant bits of tf32, or two numbers of bfloat16 (8 significant bits each), whose products are
// added. Sums are float32. PRECISION chooses; 0 multiplies float32 without tensor cores.
#pragma once
#include "bfloat16.cuh"

#ifndef PRECISION
#define PRECISION 1
#endif
constexpr int FLOAT32 = 0, TF32 = 1, BFLOAT16 = 2;
constexpr int PAIR = PRECISION == BFLOAT16 ? 2 : 1;  // numbers in a word

// What multiplies: Product is Tensor on the tensor cores, else Scalar.
template <class Tensor, class Scalar, bool TENSOR = PRECISION != FLOAT32>
struct Choice {
  typedef Tensor Product;
};
template <class Tensor, class Scalar>
struct Choice<Tensor, Scalar, false> {
  typedef Scalar Product;
};

// The word of a number, and, for bfloat16, of a second one in its upper half.
__device__ inline unsigned word_of(float first, float second) {
  if (PRECISION == FLOAT32) return bits_of(first);
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  unsigned word;
  if (PRECISION == TF32)
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(first));
  else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
  return word;
#else
  if (PRECISION == TF32)  // to nearest, a tie away from zero; infinities and NaN stay
    return first - first == 0 ? (bits_of(first) + 0x1000) & ~0x1fffu : bits_of(first);
  const auto half = [](float x) {  // to nearest, a tie to even
    const unsigned bits = bits_of(x);
    return x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fffu;
  };
  return half(second) << 16 | half(first);
#endif
}
__device__ inline unsigned word_of(BFloat16 first, BFloat16 second) {
  if (PRECISION == BFLOAT16) return unsigned(second.bits) << 16 | first.bits;
  return word_of(float(first), float(second));
}

// sum (16, 8) += a (16, 8 words) @ b (8 words, 8), by the 32 lanes of a warp together. A lane holds
// some elements of each (PTX ISA, 9.7.14.5, fragments of m16n8k8 .tf32 and m16n8k16 .bf16). With
// g = lane / 4 and t = lane % 4 they are, as (row, column):
//
//     a[0] (g, t)   a[1] (g + 8, t)   a[2] (g, t + 4)   a[3] (g + 8, t + 4)
//     b[0] (t, g)   b[1] (t + 4, g)
//     sum[0] (g, 2 t)   sum[1] (g, 2 t + 1)   sum[2] (g + 8, 2 t)   sum[3] (g + 8, 2 t + 1)
#if !defined(__CUDACC__)
__device__ inline void multiply_add(float (&sum)[4], const uint4& a, const unsigned (&b)[2]) {
  on_cpu::multiply_add(sum, a, b, PAIR);
}
#elif __CUDA_ARCH__ >= 800
__device__ inline void multiply_add(float (&sum)[4], const uint4& a, const unsigned (&b)[2]) {
  if (PRECISION == TF32)
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b[0]), "r"(b[1]));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b[0]), "r"(b[1]));
}
#else  // before compute capability 8.0 the launcher chooses float32
__device__ inline void multiply_add(float (&)[4], const uint4&, const unsigned (&)[2]) {}
#endif
