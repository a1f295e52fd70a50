"""Blobs in a bucket of any store that speaks Amazon's S3. Imported only where `--storage` names one."""

import logging

# A command without a log tells by its own error what went wrong; a log that is set up gets these lines all the same.
logging.getLogger(__name__).addHandler(logging.NullHandler())
