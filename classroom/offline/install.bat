@echo off
rem Installs the course into .venv beside this file. Nothing is fetched: no network is needed.
cd /d "%~dp0"
py check_python.py || exit /b 1
py -m venv .venv || exit /b 1
echo seegrad: installing from the folder wheels
.venv\Scripts\python -m pip --disable-pip-version-check install -q --no-index --find-links wheels seegrad || exit /b 1
.venv\Scripts\jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements > install.log 2>&1
for %%f in (chapters\*.ipynb) do .venv\Scripts\jupyter trust "%%f" >> install.log 2>&1
echo seegrad: installed. To open the course:  start.bat
