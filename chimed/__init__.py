"""ChiMed: Chinese medical data sets, from the upstream files to a published release."""

__version__ = "0.1.0"
