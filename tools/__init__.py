"""Commands about the repository itself, for people and CI: none is a stage, none can change a result.

They stand outside src/ and stages/ because some of them import DVC, which those two never do. Run them from the root,
as `python -m tools.NAME`, or by the Makefile's targets.
"""
