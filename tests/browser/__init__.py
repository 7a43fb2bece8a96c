"""Tests that drive a real browser in the real JupyterLab."""
