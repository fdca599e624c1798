"""Kinds of builder: what a component means in the words of a build tool."""
