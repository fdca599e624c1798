"""Entry point: ``python -m pipeline``."""
