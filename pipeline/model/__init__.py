"""Frozen, closed data types and nothing else."""
