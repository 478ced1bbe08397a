"""`python -m qilin_stages`: what torchrun, accelerate and deepspeed start."""

import sys

from qilin_stages.cli import main

if __name__ == "__main__":
    # The deepspeed launcher adds this to every command; the rank stands in LOCAL_RANK as well.
    sys.argv = [word for word in sys.argv if not word.startswith("--local_rank=")]
    main()
