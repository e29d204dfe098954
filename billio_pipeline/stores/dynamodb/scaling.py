"""Provisioned capacity that scales: how Application Auto Scaling is told of it, and what it says there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from billio_pipeline.model.tables import DynamoTable, Provisioned, Units
from billio_pipeline.stores.dynamodb.retry import repeat

_SERVICE = "dynamodb"
_SIDES = ("Read", "Write")


def wanted(capacity: Provisioned) -> bool:
    """Whether any of its bounds leave room to scale."""
    return any(_scales(units) for units in (capacity.read, capacity.write))


def register(scaler: Any, table: DynamoTable, capacity: Provisioned) -> None:
    """Have the table and each of its indexes scaled between the declared bounds. Fine when they are."""
    for resource, dimension, side, units in _parts(table, capacity):
        target = {"ServiceNamespace": _SERVICE, "ResourceId": resource, "ScalableDimension": dimension}
        bounds = {"MinCapacity": units.least, "MaxCapacity": units.most}
        policy = {
            "TargetValue": float(units.target),
            "PredefinedMetricSpecification": {"PredefinedMetricType": f"DynamoDB{side}CapacityUtilization"},
        }
        name = f"{side.lower()}-{resource.replace('/', '-')}"

        def tell(target: Any = target, bounds: Any = bounds, policy: Any = policy, name: str = name) -> None:
            scaler.register_scalable_target(**target, **bounds)
            scaler.put_scaling_policy(
                **target,
                PolicyName=name,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=policy,
            )

        repeat(tell, f"scaling of {resource}")


def registered(scaler: Any, table: str, now: Provisioned) -> Provisioned:
    """The table's capacity with the bounds that are registered; what isn't scaled keeps its units of `now`."""
    resource = f"table/{table}"

    def ask() -> tuple[list[Any], list[Any]]:
        targets = scaler.describe_scalable_targets(ServiceNamespace=_SERVICE, ResourceIds=[resource])
        policies = scaler.describe_scaling_policies(ServiceNamespace=_SERVICE, ResourceId=resource)
        return targets["ScalableTargets"], policies["ScalingPolicies"]

    targets, policies = repeat(ask, f"scaling of {resource}")
    percent = {
        each["ScalableDimension"]: round(each["TargetTrackingScalingPolicyConfiguration"]["TargetValue"])
        for each in policies
        if "TargetTrackingScalingPolicyConfiguration" in each
    }
    for each in targets:
        dimension = each["ScalableDimension"]
        units = Units(each["MinCapacity"], each["MaxCapacity"], percent.get(dimension, 0))
        now = replace(now, write=units) if "Write" in dimension else replace(now, read=units)
    return now


def same(expected: Provisioned | None, found: Provisioned | None, scaled: bool) -> bool:
    """Whether the capacity is as declared. Not `scaled`: what was found is only what there is now."""
    if expected is None or found is None:
        return expected == found
    pairs = ((expected.read, found.read), (expected.write, found.write))
    return all(_same(wants, has, scaled) for wants, has in pairs)


def text(capacity: Provisioned | None) -> str:
    """A capacity as a person would write it."""
    if capacity is None:
        return "on demand"
    return f"read {_text(capacity.read)}, write {_text(capacity.write)}"


def _parts(table: DynamoTable, capacity: Provisioned) -> Iterator[tuple[str, str, str, Units]]:
    resources = [(f"table/{table.name}", "table")]
    resources += [(f"table/{table.name}/index/{index.name}", "index") for index in table.indexes]
    for resource, kind in resources:
        for side, units in zip(_SIDES, (capacity.read, capacity.write), strict=True):
            if _scales(units):
                yield resource, f"dynamodb:{kind}:{side}CapacityUnits", side, units


def _scales(units: Units) -> bool:
    return units.least < units.most


def _same(wants: Units, has: Units, scaled: bool) -> bool:
    if scaled and _scales(wants):
        return wants == has
    return (wants.least <= has.least and has.most <= wants.most) if _scales(wants) else wants.least == has.least


def _text(units: Units) -> str:
    return f"{units.least}" + (f" to {units.most} at {units.target} %" if _scales(units) else "")
