"""Locks environments: conda packages by conda-lock, wheels by uv, both as files that say what they were made from."""

from pipeline.lock.locking import LockOutcome, LockRequest, lock_environment
from pipeline.lock.staleness import StaleLockError, stale
from pipeline.lock.tools import LockTools

__all__ = ["LockOutcome", "LockRequest", "LockTools", "StaleLockError", "lock_environment", "stale"]
