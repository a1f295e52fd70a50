"""Several nodes of one registry, and a balancer before them that sends each request to a node by chance.

They share a database, the master key, and where the blobs lie: a bucket, or without one a data folder. A node has no other state
that matters, so that each request of an upload may come to another one.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from entrepot.platform.secrets.keys import ensure_key
from support.http import Client
from support.instance import RUNNING, Instance, surroundings
from support.namespaces import Machine
from support.relay import Address, Asked, Broken, Passage, Relay

_PATIENCE_S: Final = 60.0
_PORT: Final = 5000  # on a machine of its own, which has all of them


class Balancer(Relay):
    """Sends each request to one of its places by chance; one that takes no connection is passed over, as real balancers do."""

    def __init__(self, places: list[Address], *, seed: int | None = None, patience_s: float = _PATIENCE_S) -> None:
        super().__init__()
        self.places = places
        self.picked: Counter[Address] = Counter()
        self._patience_s = patience_s
        self._chance = random.Random(seed)

    def client(self) -> Client:
        """Return an HTTP client that goes through it."""
        return Client(self.url)

    async def answer(self, asked: Asked) -> None:
        """Pass the request on to a node that takes it; only a request of which nothing was sent may go to another one."""
        places = self._chance.sample(self.places, len(self.places))
        for place in places:
            passage = Passage(asked, self._patience_s)
            try:
                await passage.run(place)
            except Broken as broken:
                if "takes no connection" in str(broken) and place != places[-1]:
                    continue
                if passage.status:
                    asked.reset()
                else:
                    await asked.answer("502 Bad Gateway", f"{broken}\n".encode())
                return
            self.picked[place] += 1
            return


class Remote(Instance):
    """A node on a machine of its own; what it reaches on this one, database and bucket, it reaches by its cable."""

    def __init__(self, machine: Machine, data: Path, *, database: str, storage: str = "", **settings: object) -> None:
        self.machine = machine
        self.address = machine.address
        self.before = machine.enter
        own = {"open_to_network": True, "public_url": f"http://{machine.address}:{_PORT}", **settings}
        own |= {"storage": storage.replace("127.0.0.1", machine.here)} if storage else {}
        super().__init__(data, database=database.replace("127.0.0.1", machine.here), **own)  # type: ignore[arg-type]  # as below

    def _start(self, port: int = 0) -> None:
        super()._start(port or _PORT)


class Nodes:
    """Serves from construction until `stop`; extra settings are those of every node. `host` and `url` are the balancer's."""

    def __init__(
        self,
        folder: Path,
        database: str,
        *,
        count: int = 2,
        storage: str = "",
        environment: Mapping[str, str] | None = None,
        machines: Sequence[Machine] = (),
        **settings: object,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._machines = machines
        self.folder = folder
        self.database = database
        self.storage = storage
        self.environment = surroundings(**(environment or {}))
        self._settings = settings
        self._key = folder / "secret.key"
        ensure_key(self._key)
        self.nodes: list[Instance] = []
        self._ends = contextlib.ExitStack()
        try:
            for _ in range(count):
                self.add()
            self.balancer = self._ends.enter_context(Balancer(self.places))
        except BaseException:
            self.stop(code=None)
            raise

    @property
    def places(self) -> list[Address]:
        """Return where the nodes are reached."""
        return [(each.address, each.port) for each in self.nodes]

    @property
    def host(self) -> str:
        """Return the balancer's address as container tools name it."""
        return self.balancer.host

    @property
    def url(self) -> str:
        """Return the balancer's address for an HTTP client."""
        return self.balancer.url

    @property
    def port(self) -> int:
        """Return the balancer's port."""
        return self.balancer.port

    @property
    def log(self) -> Path:
        """Return the log of the first node."""
        return self.nodes[0].log

    @property
    def data(self) -> Path:
        """Return the data folder of the first node."""
        return self.nodes[0].data

    def client(self) -> Client:
        """Return an HTTP client that goes through the balancer."""
        return Client(self.url)

    def add(self, variables: Mapping[str, str] | None = None, **settings: object) -> Instance:
        """Start one more node, with variables of its own if there are any; what balances already does not know of it."""
        number = len(self.nodes) + 1
        data = self.folder / (f"node-{number}" if self.storage else "data")
        own: dict[str, Any] = {"storage": self.storage} if self.storage else {}
        own |= {**self._settings, **settings}
        own |= {
            "environment": {**self.environment, **(variables or {})},
            "secret_key_file": self._key,
            "log": self.folder / f"node-{number}.log",
        }
        if self._machines:
            node: Instance = Remote(self._machines[number - 1], data, database=self.database, **own)
        else:
            node = Instance(data, database=self.database, **own)
        self.nodes.append(node)
        return node

    def stop(self, *, code: int | None = 0) -> None:
        """Stop balancing, then every node that runs."""
        self._ends.close()
        for node in self.nodes:
            if node in RUNNING:
                node.stop(code=code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(code=0 if kind is None else None)
