"""``%load_ext seegrad``: record each cell of a notebook as it runs."""

from __future__ import annotations

from traceback import walk_tb
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.display import display

from seegrad.clinic.table import could_explain
from seegrad.course.retelling import Ran
from seegrad.recording import recorder
from seegrad.recording.passage import hide

IPYTHON_COMPILES = CachingCompiler.ast_parse.__code__

_loaded: dict[int, _Cells] = {}


class _Cells:
    """Starts a recording when a cell starts, and stops it when the cell is over."""

    def __init__(self, shell: Any):
        self.shell = shell
        self.recording = False
        self.ran: list[Ran] = []

    def start(self, *_: Any) -> None:
        if not self.recording:
            self.recording = True
            # IPython 9 has counted the running cell already when it says that a cell begins.
            recorder().start(f"[{self.shell.execution_count - 1}]")

    def stop(self, *_: Any) -> None:
        if self.recording:
            self.recording = False
            recorder().stop()

    def end(self, result: Any) -> None:
        """The cell is over: if autograd failed in it, say why below its traceback."""
        recorded = self.recording
        self.stop()
        self.ran.append(_told(self.shell, result))
        error = result.error_in_exec
        if recorded and isinstance(error, Exception):
            _explain(error)


def load(shell: Any) -> None:
    """Record from the running cell on. Loading twice is the same as loading once."""
    if id(shell) in _loaded:
        return
    cells = _loaded[id(shell)] = _Cells(shell)
    shell.events.register("pre_run_cell", cells.start)
    shell.events.register("post_run_cell", cells.end)
    if not shell.custom_exceptions:  # else somebody else shows the errors
        shell.set_custom_exc((Exception,), _show_error)
    cells.start()


def unload(shell: Any) -> None:
    """Record no further."""
    cells = _loaded.pop(id(shell), None)
    if cells is None:
        return
    shell.events.unregister("pre_run_cell", cells.start)
    shell.events.unregister("post_run_cell", cells.end)
    if shell.custom_exceptions == (Exception,):
        shell.set_custom_exc((), None)
    cells.stop()


def history(shell: Any) -> list[Ran]:
    """The cells that have run since the extension was loaded, the one that loaded it first."""
    cells = _loaded.get(id(shell))
    return [] if cells is None else cells.ran


def _told(shell: Any, result: Any) -> Ran:
    code = "" if result.error_before_exec else shell.transform_cell(str(result.info.raw_cell))
    traceback = getattr(result.error_in_exec, "__traceback__", None)
    while traceback is not None and traceback.tb_frame.f_code.co_name != "<module>":
        traceback = traceback.tb_next
    return Ran(code, None if traceback is None else traceback.tb_lineno)


def _explain(error: Exception) -> None:
    """Show the panel below an error of autograd's. It never raises: the learner has an error."""
    try:
        if not could_explain(error):
            return
        from seegrad.widgets.explain import explained  # matplotlib is slow to import

        shown = explained(error)
        if shown is not None:
            display(shown)  # type: ignore[no-untyped-call]
    except Exception as failure:
        print(f"seegrad has no explanation of this error ({type(failure).__name__}: {failure}).")


def _show_error(
    shell: Any, kind: type[BaseException], error: BaseException, traceback: Any, tb_offset: Any
) -> None:
    """Show what IPython would, as it would be had nothing been recorded."""
    hide(error)
    # A cell that could not be compiled has no frame: all that would be shown is IPython's own.
    ran = IPYTHON_COMPILES not in [frame.f_code for frame, _ in walk_tb(traceback)]
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset, running_compiled_code=ran)
