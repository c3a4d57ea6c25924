# What a project takes of the Pico SDK's CMake functions: they note what was asked for, and the sources compile against
# the stubs for the board's core.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_COMPILER_FORCED ON)
set(CMAKE_CXX_COMPILER_FORCED ON)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PICO_BOARD STREQUAL "pico")
  set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m0plus -mthumb")
  set(EK_STUB_CHIP PICO_RP2040=1)
elseif(PICO_BOARD STREQUAL "pico2")
  set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m33 -mthumb -march=armv8-m.main+fp+dsp -mfloat-abi=softfp")
  set(EK_STUB_CHIP PICO_RP2350=1)
else()
  message(FATAL_ERROR "There is no board ${PICO_BOARD}")
endif()
get_filename_component(EK_STUB_SDK "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
# Where the compiler has no C++ library, what is needed of it comes from here.
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT} -idirafter ${EK_STUB_SDK}/../freestanding")

macro(pico_sdk_init)
  foreach(name pico_stdlib pico_stdlib_headers pico_multicore pico_multicore_headers hardware_clocks hardware_irq
               hardware_uart hardware_watchdog)
    add_library(${name} INTERFACE)
    target_include_directories(${name} SYSTEM INTERFACE ${EK_STUB_SDK})
    target_compile_definitions(${name} INTERFACE ${EK_STUB_CHIP})
  endforeach()
endmacro()

function(note text)
  file(APPEND ${CMAKE_BINARY_DIR}/asked.txt "${text}\n")
endfunction()

function(pico_enable_stdio_usb target enabled)
  note("usb ${enabled}")
endfunction()

function(pico_enable_stdio_uart target enabled)
  note("uart ${enabled}")
endfunction()

function(pico_set_binary_type target type)
  note("binary ${type}")
endfunction()

function(pico_add_extra_outputs target)
  note("outputs ${target}")
endfunction()
