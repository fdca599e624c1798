"""Pure planning: a request and the catalog become steps with keys."""
