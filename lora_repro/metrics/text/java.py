"""The two Java programs behind METEOR, ROUGE-L and CIDEr: Stanford's PTB tokeniser and METEOR 1.5.

Both jars come with the package pycocoevalcap; they are the official E2E scorer's own (same hashes). Its Python wrappers
are not used: they write into site-packages and leave METEOR's process behind.
"""

import atexit
import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from lora_repro.errors import UserError

TOKENISER_JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
METEOR_JAR = "meteor/meteor-1.5.jar"
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
# what the COCO scripts drop; they mean to drop brackets too, but look for "-LRB-" where the tokeniser writes "-lrb-"
LINE_ENDS = dict.fromkeys(map(ord, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")  # Java ends a line at more than \n
UTF_8 = "-Dfile.encoding=UTF-8"  # or else the locale decides how METEOR reads "£"


def missing() -> str | None:
    """What this machine lacks to run the jars: ``"java not found"``, ``"pycocoevalcap not found"``, or None."""
    if shutil.which("java") is None:
        return "java not found"
    return None if _package() else "pycocoevalcap not found"


def shared() -> "JavaText | None":
    """This process's `JavaText`, ended with the process: runs of a study share one. None where `missing` says why."""
    return None if missing() else _opened()


@cache
def _opened() -> "JavaText":
    opened = JavaText()
    atexit.register(opened.close)
    return opened


class JavaText:
    """Tokenises and runs METEOR; a context manager that keeps one METEOR process for everything scored inside it.

    That process takes about 10 s to start (it reads a table of paraphrases) and 1.3 GB, so a study opens one
    `JavaText` for all its runs. It starts with the first METEOR asked for. Tokenised texts are remembered: the
    references of a task are tokenised once.

    Example:
        >>> with JavaText() as java:
        ...     java.tokenise(["It costs £20!"])
        ['it costs # 20']
    """

    def __init__(self) -> None:
        folder, lacking = _package(), missing()
        if folder is None or lacking:
            raise UserError(f"{lacking}: METEOR, ROUGE-L and CIDEr need a Java runtime and the package pycocoevalcap")
        self._folder = folder
        self._tokenised: dict[str, list[str]] = {}
        self._meteor: subprocess.Popen[str] | None = None
        self._complaints: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tokenise(self, texts: Sequence[str]) -> list[str]:
        """Each text as Stanford's PTB words in lower case, punctuation left out, one space between words.

        All texts go through one process in the given order, as in the official scorer: whether a full stop belongs to
        an abbreviation can depend on the line after it.
        """
        lines = "\n".join(text.translate(LINE_ENDS) for text in texts)
        key = hashlib.sha256(lines.encode()).hexdigest()
        if key not in self._tokenised:
            self._tokenised[key] = self._run_tokeniser(lines, len(texts))
        return list(self._tokenised[key])

    def meteor(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """METEOR 1.5 (English, ``-norm``) of a whole set, a fraction.

        Args:
            outputs: (n,) texts, cut into words already.
            references: (n,) lists of at least one text, cut likewise.
        """
        statistics = [
            self._ask(" ||| ".join(["SCORE", *map(_meteor_field, texts), _meteor_field(output)]))
            for output, texts in zip(outputs, references, strict=True)
        ]
        score = self._ask(" ||| ".join(["EVAL", *statistics]))  # then one line per output, and at last the whole set
        for _ in outputs:
            score = self._answer()
        return float(score)

    def close(self) -> None:
        """End METEOR's process, if one was started. Closing twice does no harm."""
        process, self._meteor = self._meteor, None
        if process is not None:
            try:
                process.communicate(timeout=5)  # closes its input: METEOR leaves at the end of it
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def _run_tokeniser(self, lines: str, expected: int) -> list[str]:
        program = "edu.stanford.nlp.process.PTBTokenizer"
        command = ["java", UTF_8, "-cp", str(self._folder / TOKENISER_JAR), program, "-preserveLines", "-lowerCase"]
        done = subprocess.run(command, input=lines, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise UserError(f"Stanford's tokeniser ended with exit status {done.returncode}: {_tail(done.stderr)}")
        tokenised = done.stdout.split("\n")  # -preserveLines: the last line ends as it came, with nothing
        if len(tokenised) != expected:
            said = _tail(done.stderr)
            raise UserError(f"Stanford's tokeniser made {len(tokenised)} lines of {expected} texts: {said}")
        return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATION) for line in tokenised]

    def _ask(self, line: str) -> str:
        process = self._meteor or self._start()
        try:
            print(line, file=process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer()

    def _answer(self) -> str:
        assert self._meteor is not None and self._meteor.stdout is not None  # _ask has started it
        answer = self._meteor.stdout.readline().strip()
        if not answer:
            raise self._ended()
        return answer

    def _start(self) -> subprocess.Popen[str]:
        jar = self._folder / METEOR_JAR
        # one thread collects garbage: with many, starting takes minutes on a machine whose cores are all at work
        command = [
            "java",
            UTF_8,
            "-XX:+UseSerialGC",
            "-Xmx2G",
            "-jar",
            str(jar),
            "-",
            "-",
            "-stdio",
            "-l",
            "en",
            "-norm",
        ]
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  see close
        self._meteor = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            encoding="utf-8",
        )
        return self._meteor

    def _ended(self) -> UserError:
        said = ""
        if self._complaints is not None:
            self._complaints.seek(0)
            said = _tail(self._complaints.read())
        self.close()
        return UserError(f"METEOR's Java process ended early: {said or 'it said nothing'} (it needs 2 GB of memory)")


def _package() -> Path | None:
    found = importlib.util.find_spec("pycocoevalcap")
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) if places and (Path(places[0]) / METEOR_JAR).is_file() else None


def _meteor_field(text: str) -> str:
    """A text that fits METEOR's line format, whose separator is ``|||``."""
    return text.replace("|||", "").replace("  ", " ").translate(LINE_ENDS)


def _tail(text: str) -> str:
    return " ".join(text.split())[-300:]
