"""Deploy to a Prefect server: `server` (does it answer), `deployments` of prefect.yaml and their work pools, and
`automations` from files; `deploy` is all of it. Doing it again changes what differs and adds nothing.
"""
