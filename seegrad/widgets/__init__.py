"""The live pictures. A widget shows what the files beside this folder computed."""
