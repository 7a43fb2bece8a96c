"""What is asked of a learner's function: its Jacobian, its slope, its branches, its losses."""
