#!/bin/sh
# Installs what builds and runs the firmware: a C compiler for this host, cross compilers with their C libraries, emulators.
# Where it may not (no root, no apt), it says what to install.
set -eu

packages=""
need() { # need PROGRAM PACKAGE...: install the packages unless the program is there
    program=$1
    shift
    command -v "$program" > /dev/null || packages="$packages $*"
}
need_file() { # need_file COMPILER FILE PACKAGE: install the package unless the compiler, if it is there, finds the file
    if command -v "$1" > /dev/null; then
        case $("$1" -print-file-name="$2") in */*) ;; *) packages="$packages $3" ;; esac
    fi
}

need gcc gcc libc6-dev
need arm-none-eabi-gcc gcc-arm-none-eabi libnewlib-arm-none-eabi
need_file arm-none-eabi-gcc libc.a libnewlib-arm-none-eabi
need qemu-system-arm qemu-system-arm
need riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf
need_file riscv64-unknown-elf-gcc picolibc.specs picolibc-riscv64-unknown-elf
need qemu-system-riscv32 qemu-system-misc
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "Installing$packages (cross compilers and emulators: about 2.3 GB) ..."
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages > /dev/null
else
    echo "Please install:$packages   (for example: sudo apt-get install$packages)" >&2
    exit 1
fi
