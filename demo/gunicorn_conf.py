"""What every gunicorn of the demo is told: `gunicorn -c python:demo.gunicorn_conf`.

gunicorn ignores a name that its version does not know.
"""

#: gunicorn ≥ 25 opens a control socket in the user's home, one for all gunicorns.
control_socket_disable = True
