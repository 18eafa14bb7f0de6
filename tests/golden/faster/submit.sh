# sbatch /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

#SBATCH --job-name=parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#SBATCH --output=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout
#SBATCH --error=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr
#SBATCH --nodes=1
#SBATCH --time=30
#SBATCH --ntasks-per-node=1
#SBATCH --no-requeue

#SBATCH --partition=cpu
#SBATCH --account=project
#SBATCH --mem=128g
#SBATCH --cpus-per-task=16

source ~/pyhf-endpoint-venv/bin/activate || exit 3
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 BLIS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1
export JAX_ENABLE_X64=1 JAX_PLATFORMS=cpu
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600

export PARSL_MEMORY_GB=128
export PARSL_CORES=16


export JOBNAME="parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME"

set -e
export CORES=$SLURM_CPUS_ON_NODE
export NODES=$SLURM_JOB_NUM_NODES

[[ "1" == "1" ]] && echo "Found cores : $CORES"
[[ "1" == "1" ]] && echo "Found nodes : $NODES"
WORKERCOUNT=1
SCRIPT_DIR="/folder/run/submit_scripts"
[[ -d $SCRIPT_DIR ]] || SCRIPT_DIR=""

cat << SLURM_EOF > ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh
globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=16 -a 192.0.2.1 -p 0 -c 1 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity none  --mpi-launcher=mpiexec --available-accelerators 
SLURM_EOF
chmod a+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

srun --ntasks 1 -l  bash ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

[[ "1" == "1" ]] && echo "Done"

