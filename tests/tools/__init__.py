"""What runs, checks and photographs the notebooks; `make` and the tests both use it."""
