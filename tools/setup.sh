#!/bin/sh
# Sets up the virtual environment with edgekit, its extras and the development tools.
# usage: tools/setup.sh PYTHON VENV
set -eu
python=$1
venv=$2

. "$(dirname "$0")/packages.sh"

command -v "$python" > /dev/null || install_packages python3 python3-venv
command -v g++ > /dev/null || install_packages g++
if [ ! -x "$venv/bin/pip" ]; then
    "$python" -m venv "$venv" 2> /dev/null || {
        install_packages python3-venv
        "$python" -m venv "$venv"
    }
fi
echo "Installing edgekit with its Python packages into $venv (TensorFlow included: about 600 MB) ..."
"$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable ".[convert,plot,tflm]" --group dev
