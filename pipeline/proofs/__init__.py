"""Starting a bundle's own programs to see whether it works; builds and installations do it alike."""
