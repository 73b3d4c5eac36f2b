"""How fast the library is, beside what else one would use. `python -m benchmarks` runs every figure, with a name those of one file.

Absolute times depend on the machine and on what else it does. So ours and its anchors are measured by turns in one run, and what counts
is the ratio within a round; see rounds.py. The rows that are measured, and what each should reach, are in the files of this folder.
"""
