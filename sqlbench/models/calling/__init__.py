"""How models are called: retries, pace, budget, and a store of what was answered.

Uses `models.base`. Begin with `caller`, which puts the others around a model.
"""
