"""The engine: migrate items between DynamoDB and SQL, and prove that every one arrived. Plain Python, no Dagster."""

__version__ = "0.1.0"
