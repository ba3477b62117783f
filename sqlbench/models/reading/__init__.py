"""Read a model's answer: its thoughts, its wrappings, and where a statement begins and ends."""
