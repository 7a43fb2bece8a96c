"""``seegrad.save()`` and ``seegrad.restore()``: a learner's work as one file, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import traitlets
from matplotlib.figure import Figure

from seegrad.course.archive import MOST_BYTES, Work, pack, unpack
from seegrad.course.restoring import bring_back
from seegrad.course.saving import collect, described, file_name, folder, keep
from seegrad.errors import InputError
from seegrad.widgets.common import AnsweringPicture, script, sentence_figure, style

NOTHING = "There is nothing to save yet: no exercise was tried, and no answer is on disk."

NOTHING_THEN = "When this cell ran there was nothing to save. The button looks anew."

ON_DISK = (
    "First press Ctrl+S (⌘S on a Mac) in each notebook of exercises that is open: what is not "
    "saved there cannot be seen from here."
)


class SavedWork(AnsweringPicture):
    """The widget that ``save`` and ``restore`` return: a button for each, and what came of it.

    The file travels in messages of its own and not in a trait: JupyterLab would write a trait
    into the notebook that shows this.
    """

    _esm = script("saving")
    _css = style("saving")

    first = traitlets.Unicode(ON_DISK).tag(sync=True)
    said = traitlets.List(traitlets.Unicode()).tag(sync=True)
    most = traitlets.Int(MOST_BYTES).tag(sync=True)

    def __init__(self, **traits: Any):
        self._uploaded: bytes | None = None
        super().__init__(**traits)
        self.on_msg(self._take)

    def save(self) -> None:
        """Collect the work anew, keep it on this machine, and send the file to the page.

        Raises InputError if there is nothing to save.
        """
        work = _some_work()
        name, data, told = _kept(work)
        if len(data) > self.most:
            raise InputError(
                f"It is too large to be sent to the browser: {len(data)} bytes. {told}"
            )
        self.send({"name": name}, [data])
        self._tell([f"Your browser downloads {name}.", told, *described(work)])

    def restore(self, data: bytes) -> None:
        """Bring back the work in a file. Raises InputError if that cannot be done."""
        self._tell(_restored(data))

    def answer(self, question: dict[str, Any]) -> None:
        """Do what a button of the page does."""
        match question.get("action"):
            case "save":
                self.save()
            case "restore":
                if (data := self._uploaded) is None:
                    raise InputError("The file did not arrive. Choose it once more.")
                self._uploaded = None
                self.restore(data)

    def words(self) -> str:
        """The text equivalent."""
        return "\n".join([self.title, *(f"  {sentence}" for sentence in self._sentences())])

    def script(self) -> str:
        """The calls that do the same."""
        return 'seegrad.save()\nseegrad.restore("the name of a saved file")\n'

    def figure(self) -> Figure:
        """What is said, without the buttons: they need that the cell is run."""
        return sentence_figure(self.title, self.problem or " ".join(self._sentences()))

    def _sentences(self) -> Iterator[str]:
        yield from self.said
        yield self.first

    def _tell(self, said: Sequence[str]) -> None:
        self.said = list(said)
        self.refresh()

    def _take(self, _widget: Any, _content: Any, buffers: Sequence[memoryview]) -> None:
        self._uploaded = bytes(buffers[0]) if buffers else None


def save() -> SavedWork:
    """Keep your work: exercises that you changed, and your progress, in one small file.

    A button lets your browser download it, which is what you need where the machine is not yours,
    as on Binder. The file is also written into the folder ``saved/`` of the course. What you wrote
    must be saved in JupyterLab first (Ctrl+S); outputs are left out, for running the cells makes
    them anew. ``seegrad.restore()`` brings all of it back, here or on another machine.

    A wrong place raises nothing: the widget says what was wrong and what to do.
    """
    try:
        work = collect()
        if work.empty:
            return SavedWork(title="save", said=[NOTHING_THEN, *work.remarks])
        _, _, told = _kept(work)
        return SavedWork(title="save", said=[told, *described(work)])
    except InputError as problem:
        return SavedWork(title="save", problem=str(problem), alt=str(problem))


def restore(file: str | Path | None = None) -> SavedWork:
    """Bring back what ``seegrad.save()`` saved.

    No answer is ever lost: where you have written another one meanwhile, the newer of the two
    stands in the notebook, and the other is kept beside it. What was done on either machine is
    done. To restore a file twice does no harm.

    Parameters
    ----------
    file: its path; a name alone is looked for here, in the course's folder and in its ``saved/``.
        Leave it out, and a button lets you choose a file of your own computer.

    A file that cannot be used raises nothing: the widget says what was wrong and what to do.

    >>> import seegrad
    >>> seegrad.restore("nowhere.seegrad")
    restore: There is no file nowhere.seegrad here. Say seegrad.restore() to choose one.
    """
    if file is None:
        return SavedWork(title="restore", said=["Choose a file that was saved before."])
    try:
        return SavedWork(title="restore", said=_restored(_found(Path(file)).read_bytes()))
    except (InputError, OSError) as problem:
        return SavedWork(title="restore", problem=str(problem), alt=str(problem))


def _some_work() -> Work:
    work = collect()
    if work.empty:
        raise InputError(" ".join([NOTHING, *work.remarks]))
    return work


def _kept(work: Work) -> tuple[str, bytes, str]:
    """The file's name and bytes, and a sentence on where it is kept on this machine."""
    try:
        path = keep(work)
        told = f"{path.name} is in the course's folder {path.parent.name}/."
        return path.name, path.read_bytes(), told
    except OSError as error:
        now = datetime.now(UTC)
        told = f"It could not be kept on this machine: {error.strerror}."
        return file_name(now), pack(work, now), told


def _restored(data: bytes) -> list[str]:
    try:
        return list(bring_back(unpack(data)))
    except OSError as error:
        raise InputError(
            f"Your work could not be written here: {error.strerror} ({error.filename}). Nothing "
            "was lost: mend that, and restore the file again."
        ) from error


def _found(file: Path) -> Path:
    file = file.expanduser()
    for place in (Path(), folder().parent, folder()):
        if (place / file).is_file():
            return place / file
    raise InputError(f"There is no file {file} here. Say seegrad.restore() to choose one.")
