"""Autograd engine, devices, random streams and errors: what every other part stands on."""
