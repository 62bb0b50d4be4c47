"""Training runs: loop, recipes, input pipeline, run folders, prediction."""
