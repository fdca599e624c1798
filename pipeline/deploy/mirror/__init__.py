"""Mirrors: verified copies of repositories for machines with no network, and carrying them there."""
