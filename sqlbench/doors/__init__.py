"""Doors: sqlbench as the environments that trainers and evaluators load, in process.

One file a trainer, each behind an extra of its own, and none imports openenv: their dependencies
exclude each other. What they share is `desk`: an episode that an agent's replies play. A door only
says it in its trainer's words. This wing uses the environment and the run log, and only the command
line stands above it, as above the server, which is the door of those who come over the network.
"""
