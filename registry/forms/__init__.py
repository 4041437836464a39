"""The typed documents of the record: one pydantic model per type, the only place where a field is declared."""
