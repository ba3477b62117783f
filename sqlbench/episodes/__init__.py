"""The vocabulary of an episode: error classes, repairs, contexts, rewards, steps, seeds.

No model and no database is called here; everything above speaks in these words. Uses the ground and
the errors that `databases` raise. Begin with `episode`, then `context` and `reward`.
"""
