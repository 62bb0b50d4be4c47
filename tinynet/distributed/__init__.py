"""Several processes or several devices: process groups, data and model parallelism."""
