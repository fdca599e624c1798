"""The stages of a build: fetch, build, layer, prove, bundle; each carries one kind of step out."""
