# qsub -q compute -A project /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

#PBS -S /bin/bash
#PBS -N parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#PBS -m n
#PBS -l walltime=01:00:00
#PBS -l select=1:ncpus=128
#PBS -o /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout
#PBS -e /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr
#PBS -l place=scatter


module load gcc/13.2.0
module load openmpi/5.0.3-gcc-13.2.0
source ~/pyhf-endpoint-venv/bin/activate || exit 3
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 BLIS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1
export JAX_ENABLE_X64=1 JAX_PLATFORMS=cpu
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600


export JOBNAME="parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME"

set -e
export CORES=$(getconf _NPROCESSORS_ONLN)
[[ "1" == "1" ]] && echo "Found cores : $CORES"
WORKERCOUNT=1
SCRIPT_DIR="/folder/run/submit_scripts"
[[ -d $SCRIPT_DIR ]] || SCRIPT_DIR=""

cat << MPIRUN_EOF > ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh
globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=128 -a 192.0.2.1 -p 0 -c 1 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity none  --mpi-launcher=mpiexec --available-accelerators 
MPIRUN_EOF
chmod u+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh

mpirun -np $WORKERCOUNT  /bin/bash ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$JOBNAME.sh

[[ "1" == "1" ]] && echo "All workers done"


