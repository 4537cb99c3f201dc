"""The tollbook command."""
