"""The commands, one module each; each has its click command as ``command``."""
