"""The composition root: the one place that knows which classes exist, and in which order they start and end."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import cast

from edgetender import __version__, durable
from edgetender.api.server import ApiServer
from edgetender.checks.checker import Checker
from edgetender.checks.looking import Means, looking
from edgetender.clock import Clock, SystemClock
from edgetender.commands import commands_of
from edgetender.config.settings import Settings
from edgetender.crashes import Crashes
from edgetender.delays import LockFiles
from edgetender.detecting import Eyes, architecture, device_figures, front_fact, level
from edgetender.detector import Detector
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.engine.http_exchange import http_exchange
from edgetender.engine.http_probe import http_probe
from edgetender.eventlog import EventLog
from edgetender.grounding import GroundedEngine
from edgetender.heralds import heard, publishing, telling
from edgetender.host_ports import is_taken
from edgetender.house import DaemonHouse
from edgetender.lifetime import Daemon
from edgetender.linking import (
    credentials_of,
    doors_of,
    labels_of,
    outlets_of,
    page_token_of,
    policies_of,
    registries_of,
    relay_of,
    transport_of,
    upstream_of,
)
from edgetender.lock import EngineLock, StateLock
from edgetender.logs import Format, Recent, configure
from edgetender.metrics import Metrics
from edgetender.model.compat import put_in_force
from edgetender.model.examined import Identity
from edgetender.model.upstream import EVENTS, default_policy
from edgetender.observing import Observer
from edgetender.ports import Sink
from edgetender.prober import Prober
from edgetender.probes.kernel_events import KernelEvents, listen
from edgetender.publisher import Publisher
from edgetender.puller import Puller
from edgetender.pulse import Pulse
from edgetender.receiving import Inbox
from edgetender.reconciler import Reconciler
from edgetender.registry.images import RegistryImages
from edgetender.registry.survey import WAIT_S, Surveyor
from edgetender.sampler import Sampler
from edgetender.scales import Scales
from edgetender.signals import stop_by
from edgetender.sinks.prometheus import PrometheusSink
from edgetender.store.boot import boot_number
from edgetender.store.outbox import SqliteOutbox
from edgetender.store.state import SqliteStore
from edgetender.systemd import Notifier, credentials_directory
from edgetender.trends import Trends
from edgetender.trust.credentials import CredentialFiles
from edgetender.trust.device import DeviceTrust
from edgetender.trust.received import ReceivedCredentials
from edgetender.uplink import Uplink
from edgetender.waking import Flags, accepting, asking, watch
from edgetender.worker import Worker

log = logging.getLogger(__name__)

_HOOK_BYTES = 1024 * 1024


def run(settings: Settings, config: Path | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT; containers keep running. Returns the exit code.

    Raises AgentError for what a person must repair before it can start (another daemon holds the state
    directory, the API's address is taken).
    """
    os.umask(0o077)
    log_kept = configure(settings.log.level, cast(Format, settings.log.format))
    flags = Flags()
    stop_by((signal.SIGTERM, signal.SIGINT), flags.stop)
    durable.make_directory(settings.state_dir)
    crashes = Crashes(settings.state_dir / "crashes.json", boot_number(), SystemClock(), flags.crashed)
    with StateLock(settings.state_dir / "lock"), EngineLock(settings.engine.socket, settings.device), crashes:
        return build(settings, flags, log_kept, crashes, config).run()


def queues_of(settings: Settings, clock: Clock) -> tuple[SqliteOutbox, SqliteOutbox | None]:
    """What waits to go up, and what a webhook has not taken, where there is one. Raises Permanent, DiskFull."""
    policies, most, home = policies_of(settings), settings.outbox.max_bytes, settings.state_dir
    outbox = SqliteOutbox(home / "queue.db", max_bytes=most, policies=policies, clock=clock)
    if not settings.events.webhook:
        return outbox, None
    events, most = default_policy(EVENTS), _HOOK_BYTES
    return outbox, SqliteOutbox(home / "webhook.db", max_bytes=most, policies=lambda _: events, clock=clock)


def build(
    settings: Settings, flags: Flags, log_kept: Recent, crashes: Crashes, config: Path | None = None
) -> Daemon:
    """Put the daemon together; *config* is the file of *settings*, None for the installed ones.

    Nothing runs yet; sockets are bound and databases open.
    """
    clock, notifier, metrics = SystemClock(), Notifier(os.environ), Metrics(__version__, labels_of(settings))
    store, lost_state = SqliteStore.open(settings.state_dir / "state.db", clock, reserve_bytes=8 << 20)
    outbox, hook = queues_of(settings, clock)
    events = EventLog(settings.device, outbox, clock.now(), hook)
    crashes.hold_back(store, events, clock.now())
    notes = tuple(note for note in (lost_state, outbox.lost, hook and hook.lost) if note)
    for note in notes:
        log.error("state was lost", extra={"fields": {"why": note}})
    if settings.hardware.compat is not None:
        put_in_force(settings.hardware.compat)
    received = settings.received_credentials
    files = CredentialFiles(
        settings.credentials.directory, systemd_directory=credentials_directory(os.environ), received=received
    )
    credentials, secrets = credentials_of(settings, files, clock), files.folders(settings.credentials.handed)
    required, owner, ours = settings.trust.mode == "signed", settings.trust, settings.state_dir / "trust"
    inbox = Inbox(store, clock, None if required else ReceivedCredentials(received).keep)
    trends = Trends(clock)
    doors = doors_of(settings, outbox, clock, metrics, asking(inbox.deliver, flags), trends.heard)
    docker = DockerEngine(settings.engine.socket, settings.device, secrets=secrets, doors=doors)
    engine = GroundedEngine(docker, settings, flags.wake.set)
    pulse = Pulse(docker.ping, lambda: heard(publisher, uplink, flags), flags.stopping)
    eyes = Eyes(settings, engine, clock, lambda: (front_fact(settings),))
    detector = Detector(
        eyes, clock, interval_s=settings.hardware.interval_s, changed=flags.wake.set, stopping=flags.stopping
    )
    hardware, fronts = detector.hardware, settings.state_dir / "fronts"
    front = DockerFronts(
        settings.engine.socket, settings.device, home=fronts, archive=settings.front.archive, keys=secrets
    )
    identity = Identity(settings.device, settings.trust.groups, architecture(hardware()))
    trust = DeviceTrust(owner.directory, identity, required=required, policy=owner.policy, state=ours)
    for note in trust.notes():
        log.warning("manifests", extra={"fields": {"why": note}})
    transport, images = transport_of(settings, credentials), RegistryImages(registries_of(settings))
    puller = Puller(
        engine, images, credentials, clock, architecture=architecture(hardware()), level=level(hardware()),
        stall_s=settings.pull.stall_timeout_s, relay=relay_of(settings), wake=flags.wake.set,
        stopping=flags.stopping,
    )  # fmt: skip
    prober, scales = Prober(http_probe, clock, flags.wake.set, http_exchange), Scales(engine)
    locks = LockFiles(settings.update.holds)
    uplink = Uplink(transport, outbox, flags.stopping, per_second=settings.outbox.per_second, clock=clock)
    sinks: list[Sink] = [upstream_of(settings, outbox, clock), PrometheusSink(metrics), trends]
    sampler = Sampler(
        device_figures(settings, hardware),
        engine,
        sinks,
        lambda: publisher.snapshot(),  # noqa: PLW0108  # made below: the sampler looks when it runs
        clock,
        settings.telemetry.interval_s,
        flags.stopping,
    )
    publisher = Publisher(
        device=settings.device,
        clock=clock,
        outbox=outbox,
        link=uplink.link,
        hardware=hardware,
        figures=sampler.latest,
        gauges=metrics,
        told=telling(notifier, uplink, crashes),
        events=events,
        pulls=puller.progress,
        ledger=store.ledger(),
        notes=notes,
        advice=trust.notes,
        root=trust.standing,
        states=trends.states,
        silent=pulse,
    )
    reconciler = Reconciler(
        store=store,
        engine=engine,
        front=front,
        observer=Observer(engine, front, puller.progress, prober, scales, locks, is_taken, pulse),
        puller=puller,
        clock=clock,
        hardware=hardware,
        publish=publishing(publisher, doors),
        wake=flags.wake,
        stopping=flags.stopping,
        interval_s=notifier.pause_s(settings.engine.interval_s),
        trust=trust,
        rules=settings.update.rules,
        keep_free_bytes=settings.pull.keep_free_bytes,
        climb_after_s=settings.hardware.climb_after_s,
        boot=boot_number(),
    )
    outlets = outlets_of(settings, credentials, metrics, events, hook, flags.stopping)
    checker = Checker(
        look=lambda: looking(
            config,
            Means(settings, engine, images, credentials, clock, hardware),
            ledger=store.ledger(),
            link=transport.link(),
            webhook=next(filter(None, (one.answer() for one in outlets)), None),
        ),
        clock=clock,
        events=events,
        levels=metrics.checks,
        ends=metrics.certificates,
        interval_s=settings.checks.interval_s,
        stopping=flags.stopping,
    )
    house = DaemonHouse(
        settings=settings,
        clock=clock,
        store=store,
        deliver=inbox.deliver,
        survey=Surveyor(
            RegistryImages(registries_of(settings), timeout_s=WAIT_S),
            credentials_of(settings, files, clock, timeout_s=WAIT_S),  # for who waits: tokens of its own
            clock,
            lambda: (architecture(hardware()), level(hardware())),
        ),
        engine=engine,
        publisher=publisher,
        hardware=hardware,
        exposition=metrics.exposition,
        trends=trends.document,
        log=log_kept.lines,
        wake=flags.wake.set,
        checker=checker,
        events=events,
    )
    api = ApiServer(
        house, socket_path=settings.api.socket, group=settings.api.group, read_socket=settings.api.read_socket,
        read_group=settings.api.read_group, listen=settings.api.listen,
        token=page_token_of(settings, files.secret),
    )  # fmt: skip
    api.bind()
    devices = KernelEvents(detector.poke, listen if settings.hardware.root == Path("/") else None)
    workers = [
        Worker("events", lambda: watch(engine, flags, detector.poke), flags.crash),
        *(Worker(f"puller-{number}", puller.work, flags.crash) for number in range(settings.pull.concurrent)),
        Worker("pulse", pulse.work, flags.crash),
        Worker("fronts", lambda: front.watch(flags.wake.set, flags.stopping), flags.crash),
        Worker("proof", lambda: engine.work(store.ledger, hardware, flags.stopping), flags.crash),
        Worker("prober", prober.work, flags.crash),
        Worker("scales", scales.work, flags.crash),
        Worker("uplink", uplink.work, flags.crash),
        Worker("ingest", doors.run, flags.crash),
        Worker("sampler", sampler.work, flags.crash),
        Worker("detector", detector.work, flags.crash),
        Worker("devices", devices.work, flags.crash),
        Worker("checker", checker.work, flags.crash),
        Worker("api", api.run, flags.crash),
        *(Worker(one.name, one.work, flags.crash) for one in outlets),
    ]

    def wake_all() -> None:
        flags.wake.set()
        uplink.wake()

    if settings.transport.commands:
        transport.answer(commands_of(house, settings, clock))
    transport.open(accepting(inbox.deliver, settings.transport.kind, flags), wake_all)
    endings: list[Callable[[], None]] = [
        outbox.flush,  # at once: a worker that is late must not cost what is queued
        doors.stop,
        transport.close,
        lambda: puller.close(settings.pull.concurrent),
        prober.close,
        scales.close,
        uplink.wake,
        detector.poke,
        devices.close,
        api.stop,
        *(one.close for one in outlets),
    ]
    return Daemon(
        flags, reconciler, workers, endings, [one.close for one in (outbox, hook, store) if one], notifier
    )
