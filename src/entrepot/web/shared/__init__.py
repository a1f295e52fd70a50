"""What the web surfaces share: the request and answer of the raw ASGI path, and who may talk to us at all."""
