"""A notebook, with a cell below each `# %%`: an event loop runs already, so `asyncmigrate.sync` is what it uses."""

# %% Which CRDs are stale?
from asyncmigrate.sync import Cluster, plan, run

with Cluster.from_kubeconfig() as cluster:
    todo = plan(cluster)
print(todo.render())

# %% Rehearse: every write is sent, and nothing changes.
with Cluster.from_kubeconfig() as cluster:
    rehearsed = run(cluster, todo, dry_run=True)
print(rehearsed.render())

# %% Migrate, and keep what was done.
with Cluster.from_kubeconfig() as cluster:
    report = run(cluster, todo)
report.raise_for_outcome()
print(report.to_json())
