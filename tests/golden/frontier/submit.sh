# sbatch /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

#SBATCH --job-name=parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#SBATCH --output=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout
#SBATCH --error=/folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr
#SBATCH --nodes=1
#SBATCH --time=30
#SBATCH --ntasks-per-node=1
#SBATCH --no-requeue

#SBATCH --partition=batch
#SBATCH --account=project
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=56

export http_proxy=http://proxy.ccs.ornl.gov:3128 https_proxy=http://proxy.ccs.ornl.gov:3128 HTTP_PROXY=http://proxy.ccs.ornl.gov:3128 HTTPS_PROXY=http://proxy.ccs.ornl.gov:3128
source ~/pyhf-endpoint-venv/bin/activate || exit 3
export OMP_NUM_THREADS=7 OPENBLAS_NUM_THREADS=7 MKL_NUM_THREADS=7 BLIS_NUM_THREADS=7 NUMEXPR_NUM_THREADS=7 VECLIB_MAXIMUM_THREADS=7
export JAX_ENABLE_X64=1 JAX_PLATFORMS=rocm,cpu XLA_PYTHON_CLIENT_MEM_FRACTION=0.900
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600

export PARSL_CORES=56


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
globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=8 -a 192.0.2.1 -p 0 -c 7 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity list:49-55:57-63:17-23:25-31:1-7:9-15:33-39:41-47  --mpi-launcher=mpiexec --available-accelerators 0 1 2 3 4 5 6 7
SLURM_EOF
chmod a+x ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

srun --ntasks 1 -l -c 56 bash ${SCRIPT_DIR:+$SCRIPT_DIR/}cmd_$SLURM_JOB_NAME.sh

[[ "1" == "1" ]] && echo "Done"

