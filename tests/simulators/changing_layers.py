"""Layers that change from version to version as an engine's do: libraries that are mostly the same, and one that is."""

from __future__ import annotations

import random

from tests.simulators.engine_world import LayerFiles

SIZE = 120_000


def library(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE)


def changed(data: bytes, mark: int) -> bytes:
    """Return a library with some bytes changed all over."""
    other = bytearray(data)
    for place in range(0, len(data), 4096):
        other[place] = mark
    return bytes(other)


def layers(version: int) -> tuple[LayerFiles, ...]:
    return (
        LayerFiles(
            "core",
            {
                "bin/llama-server": f"#!/bin/sh\necho {version}\n".encode(),
                f"lib/libllama.so.0.{version}": changed(library(1), version),
                "lib/libllama.so": f"libllama.so.0.{version}",
                "lib/libmtmd.so": library(2),
            },
        ),
        LayerFiles("cpu", {"lib/libggml-cpu.so": changed(library(3), version)}),
        LayerFiles("runtime", {"lib/libruntime.so": library(4)}),
        LayerFiles("core-debug", {"debug/libllama.so.debug": changed(library(5), version)}, optional=True),
    )
