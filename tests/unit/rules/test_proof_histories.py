"""Histories of writes by servers that lag and whose clocks differ: what a list proves is in the storage version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncmigrate._model import CRD, ObjectRef, Version
from asyncmigrate._rules.safety.proof import bound_of, is_proven
from asyncmigrate._rules.safety.stamps import stamp_of

MARGIN = 60.0
FAR_FUTURE = 4e9  # seconds since the epoch: what the clocks of these servers say is not looked at
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Server(msgspec.Struct, frozen=True):
    """An API server: how far its clock is ahead, and how late it takes up a CRD that has changed, in seconds."""

    ahead: float
    lag: float


class Step(msgspec.Struct, frozen=True):
    """Something that happens `after` so many seconds, through one of the servers."""

    what: str
    after: float
    server: int
    name: int


class Stored(msgspec.Struct):
    """An object as etcd has it."""

    version: str
    revision: int
    stamped: str = ""


class History:
    """A CRD whose storage moves, and its objects, as they come to be stored."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._now = 0.0
        self._moves = [(-1e9, "v1")]
        self._revision = 1
        self.crd_revision, self.crd_stamped = 1, self._stamp(servers[0])
        self.objects: dict[int, Stored] = {}

    def _stamp(self, server: Server) -> str:
        return (BEGAN + timedelta(seconds=self._now + server.ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _encodes(self, server: Server) -> str:
        return next(version for at, version in reversed(self._moves) if at + server.lag <= self._now)

    @property
    def storage(self) -> str:
        return self._moves[-1][1]

    def take(self, step: Step) -> None:
        self._now += step.after
        self._revision += 1
        server = self._servers[step.server % len(self._servers)]
        if step.what == "move":
            self._moves.append((self._now, "v2" if self.storage == "v1" else "v1"))
            self.crd_revision, self.crd_stamped = self._revision, self._stamp(server)
            return
        version, old = self._encodes(server), self.objects.get(step.name)
        if step.what == "deleted":
            self.objects.pop(step.name, None)
        elif step.what == "changed" or old is None:
            self.objects[step.name] = Stored(version, self._revision, self._stamp(server))
        elif step.what == "value removed":
            self.objects[step.name] = Stored(version, self._revision, old.stamped)
        elif step.what == "stamps removed":
            self.objects[step.name] = Stored(version, self._revision)
        elif old.version != version:  # an empty patch: written only where the bytes change
            self.objects[step.name] = Stored(version, self._revision, old.stamped)

    def check(self) -> None:
        """Whatever the list proves is stored in the storage version."""
        crd = CRD(
            name="widgets.example.com",
            group="example.com",
            plural="widgets",
            kind="Widget",
            versions=(Version("v1"), Version("v2")),
            resource_version=str(self.crd_revision),
            stamped=self.crd_stamped,
            moved=self.crd_stamped,
        )
        bound = bound_of(crd, margin=MARGIN, settle=5, server_now=FAR_FUTURE)
        for name, stored in self.objects.items():
            if is_proven(ObjectRef("", str(name), str(stored.revision), stored.stamped), bound, stamp_of(FAR_FUTURE)):
                event("proven")
                assert stored.version == self.storage


# What is off by the least goes wrong only just before a server that lags the most takes a change up.
_LAGS = st.sampled_from([0.0, MARGIN / 2, MARGIN])


def _just_before(lag: float) -> st.SearchStrategy[float]:
    return st.floats(lag - 2, lag)


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["move", "changed", "changed", "value removed", "stamps removed", "patched", "deleted"]),
        after=st.one_of(st.floats(0, 2 * MARGIN), st.builds(max, st.just(0.0), _LAGS.flatmap(_just_before))),
        server=st.integers(0, 2),
        name=st.integers(0, 3),
    ),
    max_size=25,
)


@given(steps=STEPS, data=st.data())
@settings(max_examples=500)
def test_what_is_proven_is_stored_right_where_lag_and_clocks_together_stay_within_the_margin(
    steps: list[Step], data: st.DataObject
) -> None:
    apart = data.draw(_LAGS | st.floats(0, MARGIN))  # the most by which two clocks differ
    servers = st.builds(Server, ahead=st.floats(0, apart), lag=st.floats(0, MARGIN - apart))
    worst = Server(apart, MARGIN - apart)
    history = History([Server(0, 0), worst, *data.draw(st.lists(servers, max_size=2))])
    for step in steps:
        history.take(step)
    history.check()


@given(steps=STEPS, servers=st.lists(st.builds(Server, ahead=st.floats(-1e6, 1e6), lag=st.just(0.0)), min_size=1))
def test_what_is_proven_is_stored_right_whatever_the_clocks_say_where_no_server_lags(
    steps: list[Step], servers: list[Server]
) -> None:
    history = History(servers)
    for step in steps:
        history.take(step)
    history.check()
