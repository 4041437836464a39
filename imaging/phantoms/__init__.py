"""Pictures of nobody: hands and forearms drawn from geometry, for the sample world, tests and bench.

All of it is computed here; no photograph or film of a person went into it.
"""
