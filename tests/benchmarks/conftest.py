"""Nothing here is a test: ``make test`` passes by, ``make bench`` runs it."""

collect_ignore_glob = ["*.py"]
