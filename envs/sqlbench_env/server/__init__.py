"""The server of the OpenEnv package."""
