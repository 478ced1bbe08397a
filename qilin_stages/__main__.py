"""`python -m qilin_stages`: what torchrun, accelerate and deepspeed start."""

from qilin_stages.cli import main

if __name__ == "__main__":
    main()
