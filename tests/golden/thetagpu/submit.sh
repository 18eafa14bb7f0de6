# qsub -n 1 -t 60 --mode script -A project -q full-node --attrs filesystems=home,grand --jobname parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME --cwd /folder/run/submit_scripts -o /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stdout -e /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.stderr --debuglog /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME.cobaltlog /folder/run/submit_scripts/parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
#!/bin/bash

export JOBNAME=parsl.GlobusComputeEngine-HighThroughputExecutor.block-0.TIME
export PARSL_CORES=128
if [ -n "${COBALT_NODEFILE:-}" ]; then export PBS_NODEFILE="$COBALT_NODEFILE"; fi

source /opt/pyhf-endpoint/bin/activate || exit 3
export OMP_NUM_THREADS=16 OPENBLAS_NUM_THREADS=16 MKL_NUM_THREADS=16 BLIS_NUM_THREADS=16 NUMEXPR_NUM_THREADS=16 VECLIB_MAXIMUM_THREADS=16
export JAX_ENABLE_X64=1 JAX_PLATFORMS=cuda,cpu XLA_PYTHON_CLIENT_MEM_FRACTION=0.900
export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"
export GC_TASK_TIMEOUT=3600

globus-compute-endpoint python-exec pyhf_endpoint.pool globus-compute-endpoint python-exec parsl.executors.high_throughput.process_worker_pool  --max_workers_per_node=8 -a 192.0.2.1 -p 0 -c 16 -m None --poll 10 --port=54000 --cert_dir /folder/run/GlobusComputeEngine-HighThroughputExecutor/certificates --logdir=/folder/run/GlobusComputeEngine-HighThroughputExecutor --logconf=None --block_id=0 --hb_period=30  --hb_threshold=120 --drain_period=None --cpu-affinity none  --mpi-launcher=mpiexec --available-accelerators 0 1 2 3 4 5 6 7
