"""TLS: certificates with their keys, how they are renewed while we serve, and a local authority for where there is none."""
