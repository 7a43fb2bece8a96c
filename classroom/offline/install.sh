#!/bin/sh
# Installs the course into .venv beside this file. Nothing is fetched: no network is needed.
#   sh install.sh                or, with another Python:   PYTHON=python3.12 sh install.sh
set -eu
cd "$(dirname "$0")"
PYTHON="${PYTHON:-python3}"

"$PYTHON" check_python.py
"$PYTHON" -m venv .venv
echo "seegrad: installing from the folder wheels"
.venv/bin/python -m pip --disable-pip-version-check install -q --no-index --find-links wheels seegrad
.venv/bin/jupyter labextension disable --level=sys_prefix \
	@jupyterlab/apputils-extension:announcements > install.log 2>&1
.venv/bin/jupyter trust chapters/*.ipynb >> install.log 2>&1
echo "seegrad: installed. To open the course:  sh start.sh"
