# sbatch /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

#SBATCH --job-name=parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#SBATCH --output=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout
#SBATCH --error=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr
#SBATCH --nodes=1
#SBATCH --time=30
#SBATCH --ntasks-per-node=1
#SBATCH --no-requeue
#SBATCH --constraint=v100

#SBATCH --partition=gpu
#SBATCH --account=project
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=48

source ~/pyhf-endpoint-venv/bin/activate || exit 3
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"
export OMP_NUM_THREADS=12 OPENBLAS_NUM_THREADS=12 MKL_NUM_THREADS=12 BLIS_NUM_THREADS=12 NUMEXPR_NUM_THREADS=12 VECLIB_MAXIMUM_THREADS=12
export JAX_ENABLE_X64=1 JAX_PLATFORMS=cuda,cpu XLA_PYTHON_CLIENT_MEM_FRACTION=0.900
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600

export PARSL_CORES=48


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
globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=4 -a 192.0.2.1 -p 0 -c 12 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity none  --mpi-launcher=mpiexec --available-accelerators 0 1 2 3
SLURM_EOF
chmod a+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

srun --ntasks 1 -l  bash ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

[[ "1" == "1" ]] && echo "Done"

