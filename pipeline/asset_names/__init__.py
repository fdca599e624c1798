"""What the names of upstream's release files mean: tables of words, and the reading of names over them. Pure."""
