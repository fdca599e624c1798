"""Recipes and environments, read from files into frozen models; errors name the file and the dotted key."""
