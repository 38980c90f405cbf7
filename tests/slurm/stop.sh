#!/usr/bin/env bash
# Ends the Slurm that start.sh started, and what it left.
set -u
directory=/tmp/llzo-slurm
[ -d "$directory" ] || exit 0
scancel --me 2>/dev/null
sleep 1
for daemon in slurmd slurmctld; do
    [ -s "$directory/$daemon.pid" ] && kill "$(cat "$directory/$daemon.pid")"
done
sleep 1
rm -rf "$directory" /etc/slurm/slurm.conf /etc/slurm/cgroup.conf
