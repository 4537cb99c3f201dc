"""The `tollbook` command.

Read main (arguments to exit code), app (the verbs), verbs/ (one file each); then workspace, selection and runs (what
verbs share), approval, errors, terminal/ (output, progress, pipes), tables/ (what is printed), demo/.
"""
