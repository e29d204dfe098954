"""The embedded stack: PostgreSQL, a DynamoDB/S3 API and their folder, run as processes of this user on 127.0.0.1.

Knows processes, ports and folders; knows no system, no entity and no Dagster. `stack.Stack` starts and stops it,
`resolve` answers which address a command means. Nothing here runs in a production deployment.
"""
