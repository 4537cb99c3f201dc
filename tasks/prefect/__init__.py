"""The parts of a flow that need Prefect: `steps` (tasks), `flow_run`, `worker`, `approval`, `artifacts`, `progress`,
`verdict`. Nothing else below `flows/` imports Prefect: that costs over two seconds.
`process` starts a flow run's process, without importing it.
"""
