"""Cluster specifications that ship with netmodel; YAML files, each citing its source."""
