#!/usr/bin/env bash
# Starts a Slurm of one node on this machine: root, Debian or Ubuntu, no systemd needed.
# Installs the packages if they are not there; does nothing if Slurm answers already.
#   start.sh [CPUS]    CPUS that Slurm may give out (default: those of the machine)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
directory=/tmp/llzo-slurm

if [ "$(sinfo -h -o %T 2>/dev/null | head -n 1)" ]; then
    echo "Slurm answers already" && exit 0
fi
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    apt-get update -q && apt-get install -y -q --no-install-recommends slurm-wlm munge
fi
# a Slurm that somebody configured for this machine is theirs, running or not
if [ -e /etc/slurm/slurm.conf ] && ! grep -q '^ClusterName=llzo$' /etc/slurm/slurm.conf; then
    echo "/etc/slurm/slurm.conf belongs to another Slurm; remove it to run these tests" >&2
    exit 1
fi
mkdir -p /etc/slurm "$directory"/{state,spool} /run/munge
chown munge: /run/munge
memory_mb=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024 - 1024))
sed -e "s|@DIRECTORY@|$directory|" -e "s|@CPUS@|${1:-$(nproc)}|" \
    -e "s|@MEMORY_MB@|$memory_mb|" "$here/slurm.conf" >/etc/slurm/slurm.conf
# jobs see no more than what Slurm tracks; without this file Debian's slurmd looks for cgroups
echo "CgroupAutomount=no" >/etc/slurm/cgroup.conf

pgrep -x munged >/dev/null || runuser -u munge -- munged
slurmctld
slurmd -N localhost
for _ in $(seq 60); do
    [ "$(sinfo -h -o %T 2>/dev/null | head -n 1)" = idle ] && exit 0
    sleep 0.5
done
sinfo
echo "Slurm did not get ready; see $directory" >&2
exit 1
