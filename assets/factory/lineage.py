"""Which attribute each column comes from, read off the declaration."""

from __future__ import annotations

import dagster as dg

from billio_pipeline.model.entity import Entity, System


def column_lineage(system: System, entity: Entity) -> dg.TableColumnLineage:
    """Columns of the target by the attributes that carry them; the Rest column depends on all others (`*`)."""
    export = dg.AssetKey([system.name, "export"])
    deps = {
        field.column: [dg.TableColumnDep(asset_key=export, column_name=field.attribute)]
        for field in entity.fields
        if field.column is not None
    }
    inside = [field.attribute for field in entity.fields if field.inside]
    deps[entity.rest.column] = [dg.TableColumnDep(asset_key=export, column_name=name) for name in (*inside, "*")]
    return dg.TableColumnLineage(deps)
