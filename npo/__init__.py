"""The front door: the command line, the main job, its claims and its report. Imports every room; none imports it."""
