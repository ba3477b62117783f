"""The environment: reset, step, streamed step, state, in OpenEnv's shape.

One attempt after the other goes from a model to a database and to the grader. Uses `policies`,
`models`, `grading` and what is below them. Begin with `environment`; `exchange` holds what goes in
and comes out, `judging` what an attempt came to.
"""
