// Dropout without a stored mask; behind a linear layer its bias and ReLU come first. The equations are in
// dropout.py and linear.py.
#include "tinynet.cuh"
#include "philox.cuh"

template <class T>
struct __align__(4 * sizeof(T)) Four {  // consecutive elements, one load or store
  T at[4];
};

// One thread per four consecutive elements, the words of one call of Philox.
extern "C" __global__ void dropout(
    const StoredX* x,  // (size,)
    const real* bias,  // (columns,), or null
    Index size, Index columns, bool relu,
    unsigned seed, unsigned seed_high, unsigned step, unsigned step_high, unsigned draw,
    unsigned start, int skipped,  // the first block of random words, and how many of them to skip
    long long threshold,  // p * 2**32: words below it are dropped; 0: nothing is
    real scale,           // 1 / (1 - p)
    real after,           // by the paper's rule 1 - p, else 1
    const unsigned long long* counters,  // (3,) seed, step, draw in a graph, or null; draw is added
    StoredY* y)           // (size,)
{
  const Index block = thread_in_grid(), first = 4 * block - skipped;
  if (first >= size) return;
  if (counters) {  // in a replay the counters replace the arguments above
    seed = unsigned(counters[0]), seed_high = unsigned(counters[0] >> 32);
    step = unsigned(counters[1]), step_high = unsigned(counters[1] >> 32);
    draw += unsigned(counters[2]);
  }
  Words words = {};
  if (threshold > 0)
    words = philox(start + unsigned(block), draw, step, step_high, seed, seed_high);
  const Index column = bias ? first % columns : 0;
  const auto result = [&](int i, real value) {
    if (bias) value += bias[column + i < columns ? column + i : (column + i) % columns];
    if (relu) value = rectified(value);
    return value * scale * real(words.at[i] >= threshold ? 1 : 0) * after;
  };

  const bool aligned =
      size_t(x) % sizeof(Four<StoredX>) == 0 && size_t(y) % sizeof(Four<StoredY>) == 0 && skipped == 0;
  const bool in_one_piece = aligned && first + 4 <= size;
  if (in_one_piece) {
    const Four<StoredX> four = *reinterpret_cast<const Four<StoredX>*>(x + first);
    Four<StoredY> results;
#pragma unroll
    for (int i = 0; i < 4; ++i) results.at[i] = result(i, four.at[i]);
    *reinterpret_cast<Four<StoredY>*>(y + first) = results;
  } else {
    for (int i = 0; i < 4 && first + i < size; ++i)
      if (first + i >= 0) y[first + i] = result(i, x[first + i]);
  }
}
