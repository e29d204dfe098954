"""ThriveCalc's checks: those every migration into DynamoDB has."""

from assets.factory.items_checks import rows_to_items_checks
from assets.thrivecalc.model import SYSTEM

items_checks, loaded_checks = rows_to_items_checks(SYSTEM)
