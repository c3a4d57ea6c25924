#!/bin/sh
# Compiles every C file of the firmware with warnings as errors: the engines, the core and the port to this host with its
# compilers, on both of the engine's code paths where they can tell, and the other ports with their cross compilers.
set -eu
cd "$(dirname "$0")/.."

headers=$(mktemp -d)
trap 'rm -rf "$headers"' EXIT
"${PYTHON:-.venv/bin/python}" - > "$headers/ek_protocol.h" << END
from edgekit.codegen.environment import render
from edgekit.wire.declaration import header_context
print(render("protocol/ek_protocol.h.j2", header_context()), end="")
END

strict="-std=c99 -Wall -Wextra -Werror -O2 -c -o /dev/null"

compile() { # compile "COMPILER FLAGS" FOLDER
    for source in "$2"/*.c; do
        # shellcheck disable=SC2086
        $1 $strict -I"$headers" -Ifirmware/core -Ifirmware/engine/aot -Ifirmware/ports "$source"
    done
}

for compiler in gcc clang; do
    if command -v "$compiler" > /dev/null; then
        compile "$compiler" firmware/engine/aot
        compile "$compiler" firmware/engine/tflm
        compile "$compiler" firmware/core
        compile "$compiler" firmware
        compile "$compiler" firmware/ports/posix
    fi
done
arm="arm-none-eabi-gcc -mthumb"
compile "$arm -mcpu=cortex-m0plus" firmware/engine/aot
compile "$arm -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16" firmware/engine/aot
compile "$arm -mcpu=cortex-m0plus" firmware/engine/tflm
compile "$arm -mcpu=cortex-m0plus" firmware/core
compile "$arm -mcpu=cortex-m3" firmware/ports/mps2
compile "$arm -mcpu=cortex-m33 -DEK_MPS2_AN505" firmware/ports/mps2
compile "$arm -mcpu=cortex-m55 -mfloat-abi=hard -DEK_MPS3_AN547" firmware/ports/mps2
riscv="riscv64-unknown-elf-gcc --specs=picolibc.specs -march=rv32imac -mabi=ilp32"
compile "$riscv" firmware/engine/aot
compile "$riscv" firmware/core
compile "$riscv" firmware/ports/rv32_virt
