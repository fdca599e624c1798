"""Manifests and signed repositories."""
