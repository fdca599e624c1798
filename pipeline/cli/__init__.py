"""One small module a command: parse, call, render; the only place that prints or exits."""
