"""What went wrong with a prediction, as what the caller may know of it; the rest goes to the log."""

from __future__ import annotations

import logging

from modelloop_core.inference import BadOutput, InferenceError, OutOfMemory
from modelloop_predictor.logs import event
from modelloop_predictor.problems import BAD_OUTPUT, INTERNAL, MODEL_FAILED, OUT_OF_MEMORY, ProblemError, retry_later


def problem_of(error: Exception, request_id: str) -> ProblemError:
    """The problem to answer with; logs what the caller must not see."""
    match error:
        case ProblemError():
            return error
        case InferenceError():
            event("model-failed", logging.ERROR, error, request_id=request_id)
            return _model_problem(error)
        case _:
            event("request-failed", logging.ERROR, error, request_id=request_id)
            return ProblemError(INTERNAL, "the predictor's log has the cause under this request's id")


def _model_problem(error: InferenceError) -> ProblemError:
    match error:
        case BadOutput():
            return ProblemError(BAD_OUTPUT, str(error))
        case OutOfMemory():
            return retry_later(OUT_OF_MEMORY, "there was no memory for this request; send fewer instances at a time")
        case _:
            # What a model raises may quote its insides, which are for the log and not for a caller.
            return ProblemError(MODEL_FAILED, "the model raised; the predictor's log has the cause under this id")
