"""A stateful Kubernetes API server on loopback, for your tests and for ours.

It keeps CRDs and custom resources as the bytes of the version that they are stored in, as etcd would, and passes the
same contract tests as a real kube-apiserver. It shares no code with the client that it tests.

    async with ApiServer() as server:
        server.apply_crd(crd_manifest)
        server.create({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
        server.faults.deny(resource="widgets.example.com", name="w")
        kubeconfig = server.write_kubeconfig(tmp_path / "config")
        ...
        assert server.stored("widgets.example.com")[("default", "w")].startswith(b'{"apiVersion":"example.com/v1"')
"""

from asyncmigrate.testing._access import Rule
from asyncmigrate.testing._faults import Fault, Faults
from asyncmigrate.testing._front import Seen
from asyncmigrate.testing._server import ApiServer, Backup

__all__ = ["ApiServer", "Backup", "Fault", "Faults", "Rule", "Seen"]
