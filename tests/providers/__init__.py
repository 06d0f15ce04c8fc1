"""Providers for tests: real servers on loopback that speak the protocols, with faults on demand.

``ProviderServer(Setup(protocol=...))`` or the fixtures start one; ``python -m tests.providers`` runs one as a process
of its own. A request goes through ``server`` (the transport), ``service`` (key, limits, faults, counts), ``protocols/``
(what the provider calls things) and ``vectors`` (the model). ``batches`` holds the jobs of ``protocols/*_batches.py``.
"""
