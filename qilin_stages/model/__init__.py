"""Models: a base and its adapters, their merge, the tiny model, Baichuan's conversion, attention over packed rows."""
