#!/bin/sh
# Succeeds when HAProxy of this host accepts connections.
exec /usr/bin/curl --silent --fail --max-time 2 --output /dev/null http://127.0.0.1:8404/alive
