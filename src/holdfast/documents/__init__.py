"""Shared documents (Yjs CRDTs) of a node: kept in its journal file, merged with its parent's and its children's."""
