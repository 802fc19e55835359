"""The commands of `loyalty`, a module for each subject."""
