"""Each failure once per channel: across retries of a run, crashes, restarts; never taken for sent when it wasn't."""

import logging
import threading
from dataclasses import dataclass, field

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets import alerts as sensors
from assets.alerts import alert_on_failure, alert_run, alert_undelivered
from billio_pipeline.errors import ConfigurationError, TransientError
from resources import delivery
from resources.delivery import Memory, deliver
from resources.messages import Alert
from resources.notifier import NotifierResource

LOG = logging.getLogger("test_alerts")
BOOK = dg.AssetKey(["billio", "loaded", "Book"])
COUNT = Alert("check", "ERROR", "billio", "Book", "billio/loaded/Book", "count", "run-1", "migrate_billio")
PARITY = Alert("check", "ERROR", "billio", "items", "billio/items", "parity", "run-1", "migrate_billio")


@dataclass
class Recorder:
    """A channel of this test: refuses as told, then keeps what it was sent."""

    name: str = "recorder"
    refusals: list[Exception] = field(default_factory=list)
    sent: list[Alert] = field(default_factory=list)

    def send(self, alert: Alert, timeout: float = 1.0) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(alert)

    def reach(self) -> None:
        """Always there."""


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def stored(tmp_path):
    """An instance with its storage on disk, as a daemon has it."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def send(alerts, channels, instance, root="run-1", **more):
    more.setdefault("wait", lambda seconds: None)
    return deliver(alerts, channels, Memory(instance), root, LOG, **more)


def test_a_failure_is_told_once_in_all_retries_of_a_run(instance):
    channel = Recorder()
    assert send([COUNT, PARITY], [channel], instance) == []
    assert send([COUNT, PARITY], [channel], instance) == []
    assert channel.sent == [COUNT, PARITY]
    send([COUNT], [channel], instance, root="another run")
    assert channel.sent == [COUNT, PARITY, COUNT]


def test_what_was_sent_is_remembered_by_a_new_process(stored):
    channel = Recorder()
    send([COUNT], [channel], stored)
    with dg.DagsterInstance.from_ref(stored.get_ref()) as later:
        send([COUNT, PARITY], [channel], later)
    assert channel.sent == [COUNT, PARITY]


def test_a_channel_that_comes_back_within_the_tries_delivers_with_growing_pauses(instance):
    pauses: list[float] = []
    channel = Recorder(refusals=[TransientError("busy"), TransientError("busy")])
    assert send([COUNT], [channel], instance, wait=pauses.append) == []
    assert channel.sent == [COUNT]
    assert len(pauses) == 2
    assert 0.15 <= pauses[0] <= 0.3 <= pauses[1] <= 0.6


def test_what_was_not_delivered_is_not_remembered_as_sent(instance):
    channel = Recorder(refusals=[TransientError("down")] * delivery.TRIES)
    assert send([COUNT, PARITY], [channel], instance) == [
        "billio/loaded/Book:count via recorder",
        "billio/items:parity via recorder",
    ]
    assert send([COUNT, PARITY], [channel], instance) == []
    assert channel.sent == [COUNT, PARITY]


def test_one_channel_down_leaves_the_others_and_is_alone_in_being_repeated(instance):
    down, up = Recorder("down", refusals=[TransientError("down")] * delivery.TRIES), Recorder("up")
    assert send([COUNT], [down, up], instance) == ["billio/loaded/Book:count via down"]
    assert send([COUNT], [down, up], instance) == []
    assert (down.sent, up.sent) == ([COUNT], [COUNT])


def test_a_refusal_for_good_is_not_tried_again_at_once_and_the_next_alert_is(instance):
    channel = Recorder(refusals=[ConfigurationError("400")])
    assert send([COUNT, PARITY], [channel], instance) == ["billio/loaded/Book:count via recorder"]
    assert channel.sent == [PARITY]


def test_tries_end_with_the_time_a_sensor_has(instance):
    channel = Recorder(refusals=[TransientError("slow")] * 10)
    assert send([COUNT], [channel], instance, budget=0.0) != []
    assert len(channel.refusals) == 9


def test_pending_runs_survive_both_sensors_writing_at_once(stored):
    memory = Memory(stored)
    threads = [threading.Thread(target=memory.claim, args=[f"run-{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(memory._pending()) == {f"run-{n}" for n in range(8)}


@dg.asset(key=BOOK, check_specs=[dg.AssetCheckSpec("count", asset=BOOK, blocking=True)])
def book():
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="count", passed=False)])


@dg.asset(deps=[BOOK])
def after():
    raise ValueError("no disk space\nat all")


@pytest.fixture
def channel(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(NotifierResource, "channels", lambda self: [recorder])
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.0)
    return recorder


def failed_run(instance, assets=(book,), **more) -> dg.DagsterRun:
    result = dg.materialize([book, after], instance=instance, selection=list(assets), raise_on_error=False, **more)
    assert not result.success
    return instance.get_run_by_id(result.run_id)


def test_a_run_failed_by_its_blocking_check_is_told_as_that_check_alone(instance, channel):
    assert alert_run(instance, failed_run(instance), NotifierResource()) == 1
    assert [(alert.kind, alert.check) for alert in channel.sent] == [("check", "count")]


def test_a_run_failed_by_an_error_is_told_with_its_reason(instance, channel):
    alert_run(instance, failed_run(instance, [after]), NotifierResource())
    (alert,) = channel.sent
    assert (alert.kind, alert.detail) == ("run", "step after: ValueError: no disk space at all")


def test_a_retry_by_dagster_is_not_told_again_and_a_run_started_by_hand_is(instance, channel):
    first = failed_run(instance)
    alert_run(instance, first, NotifierResource())
    lineage = {"dagster/root_run_id": first.run_id, "dagster/parent_run_id": first.run_id}
    retry = failed_run(instance, tags={**lineage, "dagster/retry_number": "1"})
    again = failed_run(instance, tags={**lineage, "dagster/parent_run_id": retry.run_id, "dagster/retry_number": "2"})
    by_hand = failed_run(instance, tags=lineage)
    for run in (retry, again, by_hand):
        alert_run(instance, run, NotifierResource())
    assert [alert.run_id for alert in channel.sent] == [first.run_id, by_hand.run_id]


def test_runs_of_other_code_locations_are_left_alone(instance, channel):
    def seen(job: str, selection=None) -> int:
        place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("elsewhere"), "__repository__")
        run = failed_run(instance).with_job_origin(RemoteJobOrigin(place, job))
        run = run._replace(job_name=job, asset_selection=selection)
        event = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records[0]
        context = dg.build_run_status_sensor_context(
            "alert_on_failure",
            event.event_log_entry.get_dagster_event(),
            instance,
            run,
            resources={"notifier": NotifierResource()},
            repository_def=dg.Definitions([book], jobs=[dg.define_asset_job("ours")]).get_repository_def(),
        )
        channel.sent.clear()
        alert_on_failure(context)
        return len(channel.sent)

    assert seen("theirs") == 0
    assert seen("ours") == 1
    assert seen("__ASSET_JOB", frozenset([dg.AssetKey("their_asset")])) == 0
    assert seen("__ASSET_JOB", frozenset([BOOK])) == 1


def test_undelivered_alerts_are_sent_by_the_sensor_for_them(instance, channel, monkeypatch):
    channel.refusals = [TransientError("down")] * delivery.TRIES
    run = failed_run(instance)
    with pytest.raises(TransientError, match=run.run_id):
        alert_run(instance, run, NotifierResource())

    def tick():
        with dg.build_sensor_context(instance=instance, resources={"notifier": NotifierResource()}) as context:
            alert_undelivered(context)

    tick()
    assert channel.sent == []  # not due yet
    now = delivery.time.time()
    monkeypatch.setattr(delivery.time, "time", lambda: now + delivery.AGAIN + 1)
    tick()
    tick()
    assert [alert.check for alert in channel.sent] == ["count"]
    assert Memory(instance)._pending() == {}


def test_a_run_whose_alerting_was_cut_short_is_taken_up_later(instance, channel, monkeypatch):
    monkeypatch.setattr(sensors, "check_evaluations", lambda *_: (_ for _ in ()).throw(OSError("storage is gone")))
    run = failed_run(instance)
    with pytest.raises(OSError, match="storage"):
        alert_run(instance, run, NotifierResource())
    now = delivery.time.time()
    assert Memory(instance).due() == []
    monkeypatch.setattr(delivery.time, "time", lambda: now + delivery.CLAIM + 1)
    assert Memory(instance).due() == [run.run_id]


def test_undelivered_alerts_are_given_up_in_the_end_and_the_log_says_so(instance, monkeypatch, capsys):
    memory = Memory(instance)
    memory.release("run-1", delivered=False)
    now = delivery.time.time()
    monkeypatch.setattr(delivery.time, "time", lambda: now + delivery.GIVE_UP + 1)
    with dg.build_sensor_context(instance=instance, resources={"notifier": NotifierResource()}) as context:
        alert_undelivered(context)
    assert memory._pending() == {}
    assert "run run-1 were never delivered" in capsys.readouterr().err
