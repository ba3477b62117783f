"""Models behind an OpenAI-compatible endpoint: requests, answers, and what their servers say.

Uses `models.base` and `models.calling`. Begin with `openai`; `local_server` starts a small model.
"""
