"""Files that travel in bundles of environments and run without this project: plain text to the one who ships them."""
