"""A real Slurm on this machine, and grids through it; `make test-slurm` runs them."""
