"""Kernels that read activations in bfloat16, and the arguments in which they do."""

MAPS = {  # activations and their gradients
    "conv2d_forward": (0,),
    "conv2d_relu_forward": (0,),
    "conv2d_backward_input": (0,),
    "conv2d_backward_weight": (0, 1),
    "conv2d_backward_bias": (0,),
    "conv2d_relu_backward": (0, 1),
    "conv2d_backward": (0, 1, 3),
    "max_pool2d_forward": (0,),
    "max_pool2d_relu_forward": (0,),
    "max_pool2d_backward": (0,),
    "lrn_forward": (0,),
    "lrn_backward": (0, 1, 2),
    "lrn_max_pool_forward": (0,),
    "lrn_max_pool_backward": (0, 2),
    "dropout": (0,),
    "linear_relu_backward": (0, 1),
    "matmul": (0, 1),
}
