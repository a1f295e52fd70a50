"""Repositories, manifests, blobs, uploads, tags and referrers: what a push means and what a pull finds."""
