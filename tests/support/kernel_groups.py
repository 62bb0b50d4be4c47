"""Two groups of kernels, of which each takes about half of the time in the sanitizers."""

GROUPS = ("convolutions", "others")


def group(name):
    """Return the group of a kernel."""
    return "convolutions" if name.startswith("conv2d") else "others"
