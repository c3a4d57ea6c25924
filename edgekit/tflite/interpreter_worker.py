"""The process in which a foreign model meets the host interpreter first; it imports nothing of edgekit.

Reads the model from stdin, allocates its tensors and runs it once. What the interpreter says goes to stdout; on a bad
file it may also die, which is why this is a process of its own.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Return 0 if the interpreter takes the model, 1 if it refuses."""
    try:
        from tflite_runtime import interpreter as module
    except ImportError:
        from ai_edge_litert import interpreter as module
    try:
        interpreter = module.Interpreter(
            model_content=sys.stdin.buffer.read(),
            num_threads=1,
            experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
