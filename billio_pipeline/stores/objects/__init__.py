"""Object stores: a local folder or s3://, by one interface. Knows no export and no entity."""

from billio_pipeline.stores.objects.place import open_store
from billio_pipeline.stores.objects.store import ObjectInfo, ObjectStore

__all__ = ["ObjectInfo", "ObjectStore", "open_store"]
