"""HTTP semantics (RFC 9110) as far as we read headers ourselves."""
