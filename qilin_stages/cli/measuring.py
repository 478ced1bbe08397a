"""Commands that measure: eval, score, compare, report."""
