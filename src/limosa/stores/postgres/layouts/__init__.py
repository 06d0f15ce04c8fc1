"""How new vectors lie beside old ones in Postgres."""
