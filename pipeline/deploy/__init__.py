"""Installing on a target machine: trust, layers, generations, verification."""
