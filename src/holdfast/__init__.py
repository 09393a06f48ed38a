"""Holdfast: an edge data platform; one program for the gateway, the regional node and the hub."""

__version__ = "0.1.0"
