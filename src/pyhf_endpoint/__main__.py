"""`python -m pyhf_endpoint` is the command `pyhf-endpoint`."""

import sys

from pyhf_endpoint.cli import main

if __name__ == "__main__":
    sys.exit(main())
