"""CUDA machinery: compiling, launching and emulating the .cu files beside the ops."""
