#!/bin/sh
# Sets up the virtual environment with edgekit, its extras and the development tools.
# usage: tools/setup.sh PYTHON VENV
set -eu
python=$1
venv=$2

install_system_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "Installing $* ..."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" > /dev/null
    else
        echo "Please install: $*   (for example: sudo apt-get install $*)" >&2
        exit 1
    fi
}

command -v "$python" > /dev/null || install_system_packages python3 python3-venv
command -v g++ > /dev/null || install_system_packages g++
if [ ! -x "$venv/bin/pip" ]; then
    "$python" -m venv "$venv" 2> /dev/null || {
        install_system_packages python3-venv
        "$python" -m venv "$venv"
    }
fi
echo "Installing edgekit with its Python packages into $venv (TensorFlow included: about 600 MB) ..."
"$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable ".[convert,tflm]" --group dev
