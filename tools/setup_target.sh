#!/bin/sh
# Installs what builds, runs and fuzzes the firmware: CMake and Ninja, C compilers for this host, cross compilers with
# their C libraries, emulators.
# Where it may not (no root, no apt), it says what to install.
set -eu
. "$(dirname "$0")/packages.sh"

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

need cmake cmake
need ninja ninja-build
need gcc gcc libc6-dev
need arm-none-eabi-gcc gcc-arm-none-eabi libnewlib-arm-none-eabi
need_file arm-none-eabi-gcc libc.a libnewlib-arm-none-eabi
need qemu-system-arm qemu-system-arm
need riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf
need clang clang libclang-rt-dev
need_file clang "libclang_rt.fuzzer-$(uname -m).a" libclang-rt-dev
need_file riscv64-unknown-elf-gcc picolibc.specs picolibc-riscv64-unknown-elf
need qemu-system-riscv32 qemu-system-misc
# Servers start with the machine from now on, unless its policy is that no package starts any (status 101, as in containers).
policy=0
[ ! -x /usr/sbin/policy-rc.d ] || /usr/sbin/policy-rc.d ssh start > /dev/null 2>&1 || policy=$?
PATH=$PATH:/usr/sbin:/usr/local/sbin # where servers are, and users' paths may not have them
for server in sshd:openssh-server ser2net:ser2net; do
    if [ "$policy" = 101 ]; then
        need "${server%:*}" "${server#*:}"
    elif ! command -v "${server%:*}" > /dev/null; then
        echo "${server%:*} is not installed (package ${server#*:}): the tests that need it are skipped."
    fi
done
[ -n "$packages" ] || exit 0

echo "Cross compilers and emulators take about 2.4 GB."
APT_OPTIONS=--no-install-recommends
# shellcheck disable=SC2086
install_packages $packages
