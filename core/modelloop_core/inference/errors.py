"""What can go wrong between a model file and a prediction.

InferenceError
├── LoadError                 the version can never be served from this file (permanent)
│   ├── NotAModel             weights or a pickle, not a program; the message says what to save instead
│   ├── ModelUnreadable       damaged, or not the format the manifest names
│   └── RuntimeMissing        this image lacks the runtime or the device
└── PredictError              one call failed; the next may work
    ├── ModelFailed           the model raised
    ├── BadOutput             it answered with something the signature excludes
    └── OutOfMemory           retriable: memory may come back
"""

from __future__ import annotations


class InferenceError(Exception):
    """A model could not be loaded or run; `retriable` says whether the same call can work later."""

    retriable = False

    @property
    def reason(self) -> str:
        """One word for conditions, metrics and logs."""
        return type(self).__name__


class LoadError(InferenceError):
    """The model file can never be served as it is."""


class NotAModel(LoadError):
    """The file holds weights or a pickled object; nothing was unpickled."""


class ModelUnreadable(LoadError):
    """The file is damaged, or is not in the format its name says."""


class RuntimeMissing(LoadError):
    """The runtime of this format, or the asked device, is not here."""


class PredictError(InferenceError):
    """A loaded model failed on one call."""


class ModelFailed(PredictError):
    """The model raised; its own error is the cause."""


class BadOutput(PredictError):
    """The answer has a wrong shape, is not finite, or is no probability where the signature says so."""


class OutOfMemory(PredictError):
    """The device or the process had no memory left for this call."""

    retriable = True
