"""One file per upstream data set; each offers a `source` value (entry-point group `chimed.sources`)."""
