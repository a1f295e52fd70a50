"""Docker Hub's paths below `/v2/`, as scripts and tools use them: fields that are not known are passed over, as there.

Their first segments are reserved, so that no repository's address is one of these. Lists have pages by number; each page's
`next` also says behind which name it begins, so that whoever follows it comes to the end of any list.
"""
