"""The stages of a build: fetch, compile, layer, prove, bundle, deliver; each carries one kind of step out."""

from pipeline.make.run import run

__all__ = ["run"]
