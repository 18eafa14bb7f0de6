# qsub -q debug -A project /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

#PBS -S /bin/bash
#PBS -N parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#PBS -m n
#PBS -l walltime=01:00:00
#PBS -l select=1:ncpus=32:system=polaris:ngpus=4
#PBS -o /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout
#PBS -e /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr
#PBS -l place=scatter
#PBS -l filesystems=home:eagle


export TMPDIR=/tmp
export http_proxy=http://proxy.alcf.anl.gov:3128 https_proxy=http://proxy.alcf.anl.gov:3128 HTTP_PROXY=http://proxy.alcf.anl.gov:3128 HTTPS_PROXY=http://proxy.alcf.anl.gov:3128
source ~/pyhf-endpoint-venv/bin/activate || exit 3
export OMP_NUM_THREADS=8 OPENBLAS_NUM_THREADS=8 MKL_NUM_THREADS=8 BLIS_NUM_THREADS=8 NUMEXPR_NUM_THREADS=8 VECLIB_MAXIMUM_THREADS=8
export JAX_ENABLE_X64=1 JAX_PLATFORMS=cuda,cpu XLA_PYTHON_CLIENT_MEM_FRACTION=0.900
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600


export JOBNAME="parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME"

set -e
export CORES=$(getconf _NPROCESSORS_ONLN)
[[ "1" == "1" ]] && echo "Found cores : $CORES"
WORKERCOUNT=1
SCRIPT_DIR="/folder/run/submit_scripts"
[[ -d $SCRIPT_DIR ]] || SCRIPT_DIR=""

# Deduplicate the nodefile
HOSTFILE="$JOBNAME.nodes"
if [ -z "$PBS_NODEFILE" ]; then
    echo "localhost" > $HOSTFILE
else
    sort -u $PBS_NODEFILE > $HOSTFILE
fi

cat << MPIEXEC_EOF > ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh
globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=4 -a 192.0.2.1 -p 0 -c 8 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity list:24-31,56-63:16-23,48-55:8-15,40-47:0-7,32-39  --mpi-launcher=mpiexec --available-accelerators 0 1 2 3
MPIEXEC_EOF
chmod u+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh

mpiexec --cpu-bind none --depth=64 --ppn 1 -n $WORKERCOUNT --hostfile $HOSTFILE /usr/bin/sh ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh

[[ "1" == "1" ]] && echo "All workers done"


