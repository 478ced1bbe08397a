"""Commands: check, sources, plan, build."""
