"""The firmware under libFuzzer, with the address and the undefined-behaviour sanitizer.

``python tests/fuzzing.py [--seconds N]`` is ``make fuzz``: it goes on from what earlier runs found. An input that ends
the firmware is kept below ``fuzz/``, and the command that repeats it is printed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from binascii import crc32
from collections.abc import Iterator
from pathlib import Path

from conversations import LINES, conversation
from firmware_folder import export_folder
from firmware_posix import STRICT, firmware_sources, run

from edgekit.wire import declaration as d

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "tests" / "golden" / "tiny.tflite"
HARNESS = ROOT / "tests" / "fuzz" / "fuzz.c"
INPUT_BYTES = 108
"""Of that model."""
MAX_LENGTH = 4096
"""Bytes of one conversation: a load with all its frames, a run and what follows; seven times the longest message."""
_SANITIZED = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-O1", "-g1")
_CONVERSATIONS = 60


def build_fuzzer(folder: Path) -> Path:
    """Compile the harness with the sources of a build folder; return the program."""
    assert shutil.which("clang"), "clang is not installed; install clang and libclang-rt-dev"
    files, include = firmware_sources(folder)
    program = folder / "fuzz"
    run("clang", *STRICT, *_SANITIZED, *include, HARNESS, *files, "-o", program)
    return program


def seeds() -> Iterator[bytes]:
    """Yield inputs for the harness, made of the protocol's declaration: as they lie on the wire, and described."""
    source = random.Random(1)
    yield from (line + b"%" for line in LINES)
    for _ in range(_CONVERSATIONS):
        # A line end in front of a message counts for nothing, and its even value says that nothing is described.
        yield (b"\n" + b"".join(conversation(source, INPUT_BYTES)))[:MAX_LENGTH]
    data = source.randbytes(INPUT_BYTES)
    crc = crc32(data)
    load = [(d.Type.LOAD, 1, d.Load(INPUT_BYTES, crc).pack()), (d.Type.DATA, 1, d.Data(0).pack() + data)]
    reads = [(d.Type.READ, 3, d.Read(2, table, 0, d.DATA_BYTES).pack()) for table in d.Table]
    for work in (
        (d.Type.RUN, 2, d.Run(3, 1, crc).pack()),
        (d.Type.PROFILE, 2, d.Profile(crc).pack()),
        (d.Type.SELFTEST, 2, b""),
    ):
        yield b"\1" + b"".join(_described(*frame) for frame in (*load, work, *reads))
    yield b"\1" + b"".join(_described(type_, 1, source.randbytes(40)) for type_ in d.Type if type_ < 0x80)


def _described(type_: int, request: int, payload: bytes) -> bytes:
    """Return the harness's description of a frame; see ``put_frame`` there."""
    return bytes([0x80 | type_, 1 + len(payload), request]) + payload


def dictionary() -> str:
    """Return libFuzzer's dictionary: words of the text commands, and what frames begin with."""
    words = [value for name, value in vars(d.Text).items() if name.isupper()]
    words += ["db load ", "db print ", "infer 3 1", "%", d.FRAME_MARK.decode()]
    frames = [bytes([0x80 | kind, size]) for kind in range(1, 9) for size in (1, 5, 9, 13, 17, 113)]
    entries = [word.encode() for word in words] + frames
    escaped = ("".join(f"\\x{byte:02x}" for byte in entry) for entry in entries)
    return "".join(f'"{entry}"\n' for entry in escaped)


def write_seeds(folder: Path) -> tuple[Path, Path]:
    """Write corpus and dictionary into a folder, beside what is there; return their paths."""
    corpus, words = folder / "corpus", folder / "dictionary"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds()):
        (corpus / f"seed-{index:03}").write_bytes(seed)
    words.write_text(dictionary())
    return corpus, words


def fuzz_command(program: Path, folder: Path, seconds: int) -> list[str]:
    """Return the command that fuzzes ``program`` from the seeds, and keeps in ``folder`` what it finds."""
    corpus, words = write_seeds(folder)
    return [
        str(program),
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LENGTH}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        "-timeout=20",
        "-print_final_stats=1",
        str(corpus),
    ]


def crashes(folder: Path) -> list[Path]:
    """Return the inputs that ended the program, or took it too long."""
    return sorted(path for kind in ("crash", "timeout", "oom") for path in folder.glob(f"{kind}-*"))


def main() -> int:
    """Fuzz, and say how a crash is repeated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--folder", type=Path, default=ROOT / "fuzz", help="corpus and findings (fuzz/)")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgekit-fuzz-") as name:
        built = build_fuzzer(export_folder(MODEL.read_bytes(), Path(name, "build")))
        program = Path(shutil.copy(built, folder / "fuzz"))
    status = subprocess.run(fuzz_command(program, folder, arguments.seconds), check=False).returncode
    for found in crashes(folder):
        print(f"Repeat it with: {program} {found}")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
