"""Commands: fetch, export, push."""
