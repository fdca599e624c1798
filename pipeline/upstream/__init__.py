"""Understands upstream releases: what file names mean, which tag a selector means, what changed against our pins."""
