"""The JSON interface `/api/v1`, and Docker Hub's paths below `/v2/`: one file for each noun.

FastAPI and pydantic are imported here and nowhere else, and only where there are accounts. A handler asks for permission
(`Permits`, or a use case of the registry, which asks by itself), calls one verb and shows what came of it.
"""
