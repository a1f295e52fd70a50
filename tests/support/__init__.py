"""What tests arrange with: served instances, a PostgreSQL, an HTTP client, images and real clients."""
