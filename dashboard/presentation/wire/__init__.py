"""Packets for the browser, in the format of docs/wire.md."""
