"""Tests that drive the real JupyterLab, and pages, in Debian's Chromium."""
