#!/bin/sh
# A second process type: it stays at no instances until it is scaled.
while :; do
  echo "procfile example: tick"
  sleep 60 &
  wait
done
