// Momentum SGD. Both rules are in momentum.py.
#include "tinynet.cuh"

// One thread owns one weight.
extern "C" __global__ void momentum_update(
    real* weight, const real* gradient, real* velocity,  // (size,)
    Index size, real lr, const real* live_lr,  // (1,) the rate of a graph, or null
    real momentum, real weight_decay, bool nesterov, bool paper)
{
  const Index i = thread_in_grid();
  if (i >= size) return;
  if (live_lr) lr = *live_lr;
  const real g = gradient[i] + weight_decay * weight[i];
  real v = momentum * velocity[i];
  if (paper) {
    v -= lr * g;
    weight[i] += nesterov ? momentum * v - lr * g : v;
  } else {
    v += g;
    weight[i] -= lr * (nesterov ? g + momentum * v : v);
  }
  velocity[i] = v;
}
