"""Fast paths of convolution: tiled loops, Winograd, CUDA; the definition is `kernels.conv`."""
