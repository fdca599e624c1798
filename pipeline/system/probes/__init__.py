"""Small programs that ask a vendor's library about devices, each in a process of its own: it may crash or hang.

They need nothing but the standard library and are started by ``system.device_probes``.
"""
