"""Commands: stats, look, trace, validate, diff, report, schema."""
