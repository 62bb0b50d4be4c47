// Momentum SGD. Both rules are in momentum.py.
#include "tinynet.cuh"

// All arrays of a group in one launch: blockIdx.y selects the array, and the threads of its blocks
// loop over its weights with the stride of the grid.
extern "C" __global__ void momentum_update(
    Arrays weights, ConstArrays gradients, Arrays velocities, Sizes sizes, real lr,
    const real* live_lr,  // (1,) the learning rate of a graph, or null
    real momentum, real weight_decay, bool nesterov, bool paper)
{
  real* weight = weights.at[blockIdx.y];
  const real* gradient = gradients.at[blockIdx.y];
  real* velocity = velocities.at[blockIdx.y];
  const Index size = sizes.at[blockIdx.y], step = Index(gridDim.x) * Index(blockDim.x);
  if (live_lr) lr = *live_lr;
  for (Index i = thread_in_grid(); i < size; i += step) {
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
}
