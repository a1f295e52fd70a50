"""Blobs in a bucket of any store that speaks Amazon's S3. Imported only where `--storage` names one."""
