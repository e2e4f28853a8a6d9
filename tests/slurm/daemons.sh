#!/bin/sh
# Starts a Slurm of one node in a folder of its own, runs a command in it, and
# stops what it started:
#
#   sh tests/slurm/daemons.sh FOLDER CMD...
#
# It touches no other Slurm: configuration, state, sockets, key and ports are
# its own. Where Slurm is not installed it says so and ends with 0.
set -eu

folder=$1
shift
for command in munged slurmctld slurmd sbatch squeue scontrol scancel; do
  PATH=$PATH:/usr/sbin:/sbin
  if ! command -v "$command" >/dev/null; then
    echo "skipped: no Slurm here ($command is missing; Debian, Ubuntu:" \
      "sudo apt-get install slurm-wlm munge)"
    exit 0
  fi
done
export PATH

rm -rf "$folder"
mkdir -p "$folder/state" "$folder/spool"
chmod 755 "$folder"
folder=$(CDPATH='' cd -- "$folder" && pwd -P)
# Sockets have short names only.
sockets=$(mktemp -d)
chmod 755 "$sockets"
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
user=$(id -un)
host=$(uname -n)

cat >"$folder/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$sockets/munge
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
MaxArraySize=3
MinJobAge=300
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF="$folder/slurm.conf"

stop() {
  for name in slurmd slurmctld munged; do
    if [ -s "$folder/$name.pid" ]; then
      kill "$(cat "$folder/$name.pid")" 2>/dev/null || :
    fi
  done
  sleep 1
  rm -rf "$sockets"
}
trap stop EXIT
trap 'exit 130' INT TERM

munged --force --socket="$sockets/munge" --key-file="$folder/munge.key" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
  --seed-file="$folder/munge.seed"
slurmctld
slurmd
tries=0
until sinfo --noheader --format=%T 2>/dev/null | grep -q '^idle'; do
  tries=$((tries + 1))
  if [ "$tries" -gt 30 ]; then
    echo "Cannot start Slurm: no idle node after 30 s; see $folder" >&2
    exit 1
  fi
  sleep 1
done
"$@"
