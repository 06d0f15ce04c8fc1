"""One file per proof."""
