"""Training: the loop, recipes, the input pipeline, run folders, prediction."""
