"""Wheels: finished bundles as wheels, engines that are built as wheels, and indexes that say no digests."""
