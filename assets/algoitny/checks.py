"""AlgoItny's checks: those every migration into DynamoDB has."""

from assets.algoitny.model import SYSTEM
from assets.factory.items_checks import rows_to_items_checks

items_checks, loaded_checks = rows_to_items_checks(SYSTEM)
