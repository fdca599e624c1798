"""Kinds of accelerator: what a backend needs of a host and how it shows that it works."""
