"""Rooms that talk to one kind of store each: DynamoDB, SQL, objects. None knows an entity or another room's caller."""
