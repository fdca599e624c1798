"""Kinds of source: one small module a kind, registered explicitly."""
