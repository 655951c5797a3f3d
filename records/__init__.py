"""The lowest room: user errors, atomic files, finished pieces of work by content hash, functions from files.

No mathematics, and no import of anything else of this project.
"""
