#!/bin/sh
# Opens the course in the browser.
cd "$(dirname "$0")"
exec .venv/bin/jupyter lab chapters/00_start.ipynb "$@"
