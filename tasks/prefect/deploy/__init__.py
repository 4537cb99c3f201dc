"""Deploy to a Prefect server: `deployments` of prefect.yaml and their work pools, and `automations` from files;
`deploy` is all of it, once the server answers. Doing it again changes what differs and adds nothing.
"""
