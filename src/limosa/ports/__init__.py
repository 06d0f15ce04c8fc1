"""What the core asks of the world: protocols, implemented by stores, embedders and the ledger."""
