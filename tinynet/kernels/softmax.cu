// Softmax, cross-entropy and their gradient. The equation is in softmax.py.
#include "tinynet.cuh"
#include "block_reduce.cuh"

// One block per row of scores; its threads share the classes.
extern "C" __global__ void cross_entropy_rows(
    const real* scores,       // (N, classes)
    const long long* labels,  // (N,)
    int N, int classes,
    wide* losses,    // (N,)
    real* gradient)  // (N, classes)
{
  scores += Index(blockIdx.x) * classes;
  gradient += Index(blockIdx.x) * classes;
  const long long label = labels[blockIdx.x];

  real top = -INFINITY;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) top = max(top, scores[c]);
  top = block_reduce(top, Larger());

  wide total = 0;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) total += exp(scores[c] - top);
  total = block_reduce(total, Add());

  for (int c = threadIdx.x; c < classes; c += blockDim.x) {
    const real probability = exp(scores[c] - top) / real(total);
    gradient[c] = (probability - real(c == label ? 1 : 0)) / real(N);
  }
  if (threadIdx.x == 0) {
    const bool is_class = 0 <= label && label < classes;
    losses[blockIdx.x] = is_class ? log(total) - (scores[label] - top) : nan("");
  }
}

// One block.
extern "C" __global__ void mean(real* result,  // ()
                                const wide* values,  // (N,)
                                int N)
{
  wide total = 0;
  for (int n = threadIdx.x; n < N; n += blockDim.x) total += values[n];
  total = block_reduce(total, Add());
  if (threadIdx.x == 0) result[0] = total / N;
}
