@echo off
rem Opens the course in the browser.
cd /d "%~dp0"
.venv\Scripts\jupyter lab chapters\00_start.ipynb %*
