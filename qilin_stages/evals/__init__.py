"""Evaluation tasks, metrics and significance."""
