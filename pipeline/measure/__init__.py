"""Sizes, times, budgets and reports; looks on and changes nothing."""
