"""PyTorch 2.13's messages about autograd, and what explains each.

A message is looked up in the order they stand here. Each explanation looks for proof, and gives
None where it finds that the error is about something else: then there is no diagnosis.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from seegrad.clinic import (
    asked,
    edits,
    flags,
    freed,
    leaving,
    nans,
    own_functions,
    refused_edits,
    starts,
)
from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.recording import unrecorded

Explanation = Callable[[Incident], Diagnosis | None]

MESSAGES: tuple[tuple[type[Exception], str, Explanation], ...] = (
    (RuntimeError, r"^grad can be implicitly created only for scalar", starts.not_one_number),
    (RuntimeError, r"^Mismatch in shape: grad_output", starts.seed_of_another_shape),
    (RuntimeError, r"^For complex Tensors, both grad_output", starts.seed_of_another_dtype),
    (TypeError, r"^gradients can be either Tensors or None", starts.seed_no_tensor),
    (TypeError, r"object is not iterable$", starts.seed_no_tensor),
    (RuntimeError, r"^got \d+ tensors and \d+ gradients", starts.fewer_seeds),
    (RuntimeError, r"^element \d+ of tensors does not require grad", starts.no_graph),
    (AttributeError, r"has no attribute 'backward'", starts.no_backward),
    (RuntimeError, r"^Trying to backward through the graph a second time", freed.freed),
    (RuntimeError, r"modified by an inplace operation", edits.edited_since),
    (RuntimeError, r"^a (view of a )?leaf Variable that requires grad", refused_edits.leaf_edited),
    (RuntimeError, r"is a view and is being modified inplace", refused_edits.view_edited),
    (RuntimeError, r"^A view was created in (no_grad|inference) mode", refused_edits.view_edited),
    (RuntimeError, r"functions with out=... arguments don't support", refused_edits.out_given),
    (RuntimeError, r"^Inplace update to inference tensor", refused_edits.inference_edited),
    (RuntimeError, r"^Inference tensors cannot be saved for backward", flags.of_inference),
    (RuntimeError, r"^Setting requires_grad=True on inference tensor", flags.of_inference),
    (RuntimeError, r"^[Oo]nly Tensors of floating point", flags.of_integers),
    (RuntimeError, r"^you can only change requires_grad flags of leaf", flags.of_a_result),
    (RuntimeError, r"^can't retain_grad on Tensor", flags.nothing_to_retain),
    (ValueError, r"^can't optimize a non-leaf Tensor", flags.not_a_leaf_to_optimize),
    (RuntimeError, r"^attempting to assign a gradient", flags.grad_of_another_shape),
    (AttributeError, r"^'NoneType' object has no attribute", flags.grad_is_none),
    (TypeError, r"NoneType", flags.grad_is_none),
    (RuntimeError, r"^Can't call numpy\(\) on Tensor that requires grad", leaving.to_numpy),
    (RuntimeError, r"^Only Tensors created explicitly by the user", leaving.deepcopied),
    (RuntimeError, r"^The differentiated Tensor at index", asked.unused),
    (RuntimeError, r"^One of the differentiated Tensors does not", asked.not_requiring),
    (RuntimeError, r"Expected f\(\*args\) to return a scalar", asked.of_a_vector),
    (RuntimeError, r"^function \w+ returned an incorrect number", own_functions.wrong_number),
    (RuntimeError, r"^function \w+ returned a gradient different", own_functions.for_no_tensor),
    (RuntimeError, r"^Function \w+ returned an invalid gradient", own_functions.wrong_shape),
    (RuntimeError, r"^expected Variable or None", own_functions.no_tensor),
    (NotImplementedError, r"^You must implement either", own_functions.no_backward_written),
    (RuntimeError, r"^Legacy autograd function", own_functions.legacy),
    (RuntimeError, r"^Function '\w+' returned nan values", nans.found_by_anomaly_mode),
)  # fmt: skip


def could_explain(error: BaseException) -> bool:
    """Does the error's message look like one of autograd's?"""
    return any(isinstance(error, kind) and re.search(m, str(error)) for kind, m, _ in MESSAGES)


@unrecorded
def diagnose(incident: Incident) -> Diagnosis | None:
    """Why did this error of autograd's happen? None for an error of another kind."""
    if not incident.from_torch:
        return None
    for kind, message, explanation in MESSAGES:
        if isinstance(incident.error, kind) and re.search(message, incident.message):
            found = explanation(incident)
            if found is not None:
                return found
    return None
