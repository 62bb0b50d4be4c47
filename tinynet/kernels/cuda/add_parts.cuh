// Last step of two sums of a convolution's backward pass: the gradients of the weights and of the bias
// from their parts. A thread adds the parts of one number, always in the same order.
#pragma once

// Number `at` of gweight, or, behind the last of these, of gbias.
__device__ inline void add_parts_of(Index at,
                                    real* gweight,      // (size,)
                                    real* gbias,        // (OC,)
                                    const real* parts,  // (count, size)
                                    Index count, Index size,
                                    const wide* sums,  // (shares, OC)
                                    int shares, int OC)
{
  const Index channel = at - size;
  wide sum = 0;
  if (at < size) {
#pragma unroll 16  // so that 16 loads overlap
    for (Index i = 0; i < count; ++i) sum += parts[i * size + at];
    gweight[at] = sum;
  } else if (channel < OC) {
#pragma unroll 4
    for (int share = 0; share < shares; ++share) sum += sums[share * OC + channel];
    gbias[channel] = sum;
  }
}
