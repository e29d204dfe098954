"""Object stores: a local folder or s3://, by one interface. Knows no export and no entity."""

from billio_pipeline.stores.objects.store import ObjectInfo, ObjectStore, open_store

__all__ = ["ObjectInfo", "ObjectStore", "open_store"]
