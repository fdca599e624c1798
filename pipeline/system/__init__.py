"""Implementations of the ports: network, processes, store, keys, clock, host."""
