"""ThriveCalc's declaration: one JSON record per object, the DynamoDB table, and the entity between them.

Source of the rules: the project's data store (record side) and its migration document (item side). The record's own
spelling of times is kept, as text; members the documents don't name travel as attributes of their own. The table may
be given another name by the environment, as the project's own code reads it.
"""

from assets.thrivecalc.places import Places
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.scalars import IsoText, Json
from billio_pipeline.model.tables import DynamoTable, Gsi, SqlTable
from billio_pipeline.model.types import Text
from billio_pipeline.model.words import Derived, Field, Rest, fields

USER_DATA = DynamoTable(
    Places.from_env().table or "thrivecalc-user-data",
    partition=("userId", "S"),
    sort=("recordKey", "S"),
    indexes=(Gsi("DataTypeIndex", ("userId", "S"), ("dataType", "S")),),
    ttl="ttl",
    recovery=True,
    encryption="KMS",
)

RECORD = Entity(
    "record",
    SqlTable("user_financial_data", key="record_id"),
    {},
    fields(
        Field("userId", Text(), row="user_id"),
        Field("dataType", Text(), row="data_type"),
        Field("recordId", Text(), row="record_id"),
        Field("data", Json(), row="data"),
        Field("createdAt", IsoText(), row="created_at"),
        Field("updatedAt", IsoText(), row="updated_at"),
        Rest("extra"),
        Derived("recordKey", "{dataType}#{recordId}"),
    ),
    items=USER_DATA,
    newer_by="updatedAt",
)

SYSTEM = RowSystem("thrivecalc", (RECORD,), kinds=("s3", "dynamodb"))
