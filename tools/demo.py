"""The main job on real images, without hardware: digits -> fit -> bench against the host interpreter."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from digits import write_digits

BOARD = "esp32s3"
FOLDER = Path("demo")


def run(*args: str) -> None:
    """Run one edgekit command, showing it as a user would type it."""
    print(f"\n$ edgekit {shlex.join(args)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "edgekit", *args], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Run the demo and sum it up."""
    start = time.monotonic()
    count = write_digits(FOLDER / "digits")
    print(f"{count} labelled images of handwritten digits (scikit-learn) are in {FOLDER / 'digits'}.")
    build = FOLDER / "build"
    run("fit", "--board", BOARD, "--data", str(FOLDER / "digits"), "--channels", "1", "-o", str(build))
    run("bench", "--port", "host", "--build", str(build))

    fit = json.loads((build / "fit.json").read_text())
    training = json.loads((build / "training.json").read_text())
    bench = json.loads((build / "bench.json").read_text())
    chosen = fit["chosen"]
    print(f"\nDemo done in {time.monotonic() - start:.0f} s. Everything is in {build}.")
    print(f"  board     {fit['board']}, {chosen['engine']} engine, {chosen['kernels']} kernels")
    print(
        f"  network   {chosen['arch']}, alpha {chosen['alpha']:g}, rho {chosen['rho']:.3g} ({chosen['resolution']} px)"
    )
    print(
        f"  accuracy  float {training['float_top1']:.1f} %, int8 {training['int8_top1']:.1f} %"
        f" on {training['test_images']} held-out images (measured)"
    )
    print(f"  arena     {chosen['arena']['total']:,} B ({chosen['arena']['basis']})")
    print(
        f"  flash     {chosen['flash']['total']:,} B (model {chosen['flash']['model']:,} B exact, code estimated)"
    )
    print(
        f"  bench     {'PASS' if bench['ok'] else 'FAIL'}: {bench['outputs']['compared']} outputs compared,"
        f" {bench['outputs']['mismatched']} differ"
    )


if __name__ == "__main__":
    main()
