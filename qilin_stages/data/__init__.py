"""A published split as trainer columns: template, cuts, masks, packing, and the cache of tokenised rows."""
