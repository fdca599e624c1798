"""Python environments made of layers: linked, filled with wheels, given their programs; shared by make and deploy."""
