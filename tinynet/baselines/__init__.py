"""Methods from before deep networks, to compare with."""
