"""Training stages that consume published ChiMed splits: cpt, sft, dpo, and what measures them."""

__version__ = "0.1.0"
