"""The floor every room stands on: ids, errors, actor, tables, keys, storage, database, audit and jobs."""
