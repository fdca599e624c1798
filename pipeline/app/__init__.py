"""Composition root: settings from flags, environment and file, and the services made from them.

The only room that reads the environment, and the only importer of ``system`` and ``reporting``.
"""
