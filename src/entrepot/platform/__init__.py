"""How we touch the machine. Knows no feature: what a repository or a tag is stays in the domain."""
