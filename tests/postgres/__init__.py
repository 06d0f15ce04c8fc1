"""The Postgres that tests run against."""
