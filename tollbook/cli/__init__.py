"""The `tollbook` command.

Read main (arguments to exit code), app (the verbs), verbs/ (siblings in one file); then workspace and selection (what
verbs share), approval, errors, terminal/ (output, progress), tables/ (what is printed), demo.
"""
