"""The contract: the C header that is rendered from the declaration agrees with Python, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from edgekit.codegen.environment import render
from edgekit.wire import declaration as d

HEADER = render("protocol/ek_protocol.h.j2", d.header_context())


def compile_and_run(folder: Path, source: str, compiler: str, *flags: str) -> str:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    (folder / "ek_protocol.h").write_text(HEADER)
    suffix = "cc" if "++" in compiler else "c"
    (folder / f"check.{suffix}").write_text(source)
    command = [compiler, *flags, "-Wall", "-Wextra", "-Werror", "-pedantic", f"check.{suffix}", "-o", "check"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return subprocess.run([folder / "check"], check=True, capture_output=True, text=True).stdout


def program(statements: str) -> str:
    return f'#include <stdio.h>\n#include "ek_protocol.h"\nint main(void) {{ {statements} return 0; }}\n'


def test_sizes_and_offsets_in_c_are_those_of_python(tmp_path: Path) -> None:
    prints, expected = [], []
    for layout in d.layouts():
        c_type = f"ek_{layout.c_name}_t"
        prints.append(f'printf("%zu\\n", sizeof({c_type}));')
        expected.append(layout.size)
        for field in layout.fields:
            prints.append(f'printf("%zu\\n", offsetof({c_type}, {field.name}));')
            prints.append(f'printf("%zu\\n", sizeof((({c_type} *)0)->{field.name}));')
            expected += [field.offset, field.size]
    output = compile_and_run(tmp_path, program(" ".join(prints)), "gcc", "-std=c99")
    assert [int(line) for line in output.split()] == expected


def test_codes_and_limits_in_c_are_those_of_python(tmp_path: Path) -> None:
    names, expected = [], []
    context = d.header_context()
    for name, value in context["constants"].items():
        names.append(f"EK_{name}")
        expected.append(value)
        assert getattr(d, name) == value
    enums: tuple[type[IntEnum] | type[IntFlag], ...] = (d.Type, d.Code, d.Table, d.Dtype, d.RunFlag)
    prefixes = ("EK_TYPE", "EK_CODE", "EK_TABLE", "EK_DTYPE", "EK_RUN_FLAG")
    for enum, prefix in zip(enums, prefixes, strict=True):
        for item in enum:
            names.append(f"{prefix}_{item.name}")
            expected.append(int(item))
    prints = " ".join(f'printf("%lu\\n", (unsigned long){name});' for name in names)
    output = compile_and_run(tmp_path, program(prints), "gcc", "-std=c99")
    assert [int(line) for line in output.split()] == expected


def test_texts_in_c_are_those_of_python(tmp_path: Path) -> None:
    names = ["EK_READY", "EK_FRAME_MARK", "EK_TEXT_INFER", "EK_BOOT_LINES"]
    prints = " ".join(f"fputs({name}, stdout); putchar(0);" for name in names)
    output = compile_and_run(tmp_path, program(prints), "gcc", "-std=c99")
    boot = "".join(f"{line}\n" for line in d.BOOT_LINES)
    assert output.replace("\r", "").split("\0")[:-1] == ["m-ready", "ek", "infer", boot]


def test_bytes_written_by_c_are_read_by_python(tmp_path: Path) -> None:
    source = """
#include <stdio.h>
#include <string.h>
#include "ek_protocol.h"
int main(void) {
  ek_tensor_t t;
  memset(&t, 0, sizeof t);
  t.shape[0] = 1; t.shape[1] = 96; t.bytes = 27648; t.scale = 0.0078125f; t.zero_point = -128;
  t.pixel_offset = 128; t.dtype = EK_DTYPE_INT8; t.rank = 4;
  for (size_t i = 0; i < sizeof t; i++) printf("%02x", ((const unsigned char *)&t)[i]);
  return 0;
}
"""
    data = bytes.fromhex(compile_and_run(tmp_path, source, "gcc", "-std=c99"))
    expected = d.Tensor((1, 96, 0, 0, 0, 0), 27648, 0.0078125, -128, 128, d.Dtype.INT8, 4)
    assert d.Tensor.unpack(data) == expected and expected.pack() == data


def test_the_header_is_cplusplus_too(tmp_path: Path) -> None:
    source = '#include "ek_protocol.h"\nint main() { return sizeof(ek_header_t) == 8 ? 0 : 1; }\n'
    compile_and_run(tmp_path, source, "g++", "-std=c++17")


def test_the_page_on_the_protocol_names_the_same_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    for type_ in d.Type:
        shown = f"{type_.name} 0x{type_:02X}" if type_ < 0x80 else type_.name
        assert shown in page, type_
    for name, value in {
        "MESSAGE_MAX": d.MESSAGE_MAX,
        "WINDOW": d.WINDOW,
        "RUNS_MAX": d.RUNS_MAX,
    }.items():
        assert f"`{name}` ({value})" in page, name
    assert f"`MESSAGE_TIMEOUT_MS` ({d.MESSAGE_TIMEOUT_MS // 1000} s)" in page
    assert f"after every {d.ACK_EVERY}th frame" in page
    assert f"`{d.DATA_BYTES} * sequence`" in page
    for line in d.BOOT_LINES:
        assert f"`{line}`" in page
