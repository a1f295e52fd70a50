"""The OCI image and distribution specifications: names, digests, media types, manifests and chunks."""
