"""How texts travel to a provider and vectors come back: pace, patience, oversize texts, the cache, batches."""
