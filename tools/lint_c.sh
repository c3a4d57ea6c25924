#!/bin/sh
# Compiles every C file of the firmware with warnings as errors: the engines, the core and the port to this host with its
# compilers, on both of the engine's code paths where they can tell, and the other ports with their cross compilers; those
# to SDKs against stubs of the SDKs' headers.
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
for core in MBED STM32 RP2040 ESP32; do
    g++ -std=gnu++14 -Wall -Wextra -Werror -O2 -c -o /dev/null -DARDUINO=10819 -DARDUINO_ARCH_$core \
        -Itests/sdk_stubs/arduino firmware/ports/arduino/port.cpp
done
arm="arm-none-eabi-gcc -mthumb"
compile "$arm -mcpu=cortex-m0plus" firmware/engine/aot
compile "$arm -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16" firmware/engine/aot
compile "$arm -mcpu=cortex-m0plus" firmware/engine/tflm
compile "$arm -mcpu=cortex-m0plus" firmware/core
compile "$arm -mcpu=cortex-m3" firmware/ports/mps2
compile "$arm -mcpu=cortex-m33 -DEK_MPS2_AN505" firmware/ports/mps2
compile "$arm -mcpu=cortex-m55 -mfloat-abi=hard -DEK_MPS3_AN547" firmware/ports/mps2
zephyr="$arm -mcpu=cortex-m33 -mfloat-abi=hard -mfpu=fpv5-sp-d16 -Itests/sdk_stubs/zephyr"
compile "$zephyr -DCONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC=160000000 -DCONFIG_TIMER_HAS_64BIT_CYCLE_COUNTER" firmware/ports/zephyr
compile "$zephyr -DCONFIG_NRF_RTC_TIMER -DCONFIG_SOC_NRF5340_CPUAPP" firmware/ports/zephyr
riscv="riscv64-unknown-elf-gcc --specs=picolibc.specs -march=rv32imac -mabi=ilp32"
compile "$riscv" firmware/engine/aot
compile "$riscv" firmware/core
compile "$riscv" firmware/ports/rv32_virt

touch "$headers/sdkconfig.h"
esp="-DCONFIG_ESP_DEFAULT_CPU_FREQ_MHZ=160 -DCONFIG_ESP_TASK_WDT_INIT=1 -DCONFIG_EDGEKIT_UART_NUM=0
  -DCONFIG_EDGEKIT_UART_BAUD=115200 -DCONFIG_EDGEKIT_UART_TX_GPIO=21 -DCONFIG_EDGEKIT_UART_RX_GPIO=20"
for line in UART USB_SERIAL_JTAG; do
    compile "$riscv $esp -DCONFIG_EDGEKIT_LINE_$line=1 -isystem tests/sdk_stubs/esp_idf" firmware/ports/esp_idf
done
for line in 0 1; do
    pico="$arm -DEK_LINE_UART=$line -isystem tests/sdk_stubs/pico_sdk"
    compile "$pico -mcpu=cortex-m0plus -DPICO_RP2040=1 -DSYS_CLK_KHZ=125000" firmware/ports/pico_sdk
    compile "$pico -mcpu=cortex-m33 -DPICO_RP2350=1 -DSYS_CLK_KHZ=150000" firmware/ports/pico_sdk
done
