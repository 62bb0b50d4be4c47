// Philox4x32-10 (Salmon et al. 2011): random words that are a function of a counter and a key.
// The definition is philox4x32 in random.py; the bits are the same.
#pragma once

struct Words {
  unsigned at[4];
};

__device__ inline Words philox(unsigned a, unsigned b, unsigned c, unsigned d, unsigned key,
                               unsigned key_high) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const unsigned high_a = __umulhi(a, 0xD2511F53u), high_c = __umulhi(c, 0xCD9E8D57u);
    const unsigned low_a = a * 0xD2511F53u, low_c = c * 0xCD9E8D57u;
    a = high_c ^ b ^ key;
    b = low_c;
    c = high_a ^ d ^ key_high;
    d = low_a;
    key += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}
