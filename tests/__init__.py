"""What proves that seegrad works: library, notebooks and browser."""
