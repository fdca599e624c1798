"""How fast an engine's llama-bench computes, by the clock of the processor.

Other programs that run beside it take time on the wall's clock from it, and little of the processor's: caches and the
frequency are shared. With one thread the two are the same on a machine that has nothing else to do.
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path
from typing import Literal

Kind = Literal["prompt", "generation"]
KINDS: tuple[Kind, ...] = ("prompt", "generation")
_TOKENS = {"prompt": 128, "generation": 48}
_FLAGS = {"prompt": "-p", "generation": "-n"}
_REPEATS = 3


def tokens_per_processor_second(bundle: Path, model: Path, kind: Kind) -> float:
    """Run a bundle's llama-bench on one thread; return tokens of a second of the processor, starting included.

    Args:
        bundle: folder of the bundle's files.
        model: a GGUF file.
        kind: a prompt of 128 tokens, or 48 that are generated; each three times, after a round that does not count.

    Raises:
        CalledProcessError: llama-bench failed.
    """
    counts = [word for each in KINDS for word in (_FLAGS[each], str(_TOKENS[each] if each == kind else 0))]
    argv = [str(bundle / "bin" / "llama-bench"), "-m", str(model), "-t", "1", *counts, "-r", str(_REPEATS)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _TOKENS[kind] * _REPEATS / seconds
