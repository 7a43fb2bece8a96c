"""How fast seegrad is beside plain PyTorch and other drawers of graphs: ``make bench``."""
