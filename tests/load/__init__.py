"""A whole class at once on a real JupyterHub, measured (`make load`)."""
