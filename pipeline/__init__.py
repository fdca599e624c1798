"""Packaging pipeline for local LLM engines: build, prove, bundle, publish, mirror, install."""
