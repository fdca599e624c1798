"""Python environments made of a bundle's layers: linked, laid, and given their programs.

A build proves with it what an installation does.
"""
